import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { convertModel, quantizedTensors, storeGguf } from '../../src/model/convert.ts';
import { type Manifest, QUANTIZATIONS, type Quantization } from '../../src/model/manifest.ts';
import type { WeightProgress } from '../../src/model/source.ts';
import { LapisError } from '../../src/protocol/errors.ts';
import type { CommandContext } from '../command-line.ts';
import { identifyModel, type OpenedModel, shardFolder } from '../model-files.ts';
import { UsageError } from '../usage-error.ts';

export const usage = `lapis convert SRC OUT [--quantize ${QUANTIZATIONS.join('|')}] [--model-id ID] [--verbose]
  Makes a shard folder of a model. SRC is a Hugging Face folder, which is quantized (default q4_k_m), or a .gguf file, whose bytes
  are kept as they are. OUT must be empty or absent.`;

interface Request {
  source: string;
  out: string;
  quantization?: Quantization;
  modelId?: string;
  verbose: boolean;
}

function parseRequest(args: string[]): Request {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      quantize: { type: 'string' },
      'model-id': { type: 'string' },
      verbose: { type: 'boolean', default: false },
    },
  });
  const [source, out, ...more] = positionals;
  if (!source || !out || more.length > 0) throw new UsageError('convert takes SRC and OUT.');
  const quantization = QUANTIZATIONS.find((name) => name === values.quantize?.toLowerCase());
  if (values.quantize !== undefined && !quantization) {
    throw new UsageError(`--quantize ${values.quantize} is not one of ${QUANTIZATIONS.join(', ')}.`);
  }
  if (values['model-id'] === '') throw new UsageError('--model-id is empty.');
  return { source, out, quantization, modelId: values['model-id'], verbose: values.verbose };
}

/** Makes sure that `out` is an empty directory; says whether it was made. */
async function prepare(out: string): Promise<boolean> {
  const stats = await stat(out).catch(() => undefined);
  if (stats && !stats.isDirectory()) throw new LapisError('bad-request', `${out} exists and is not a folder.`);
  if (stats && (await readdir(out)).length > 0) throw new LapisError('bad-request', `${out} is not empty.`);
  await mkdir(out, { recursive: true });
  return !stats;
}

/** Shows how far it is on a terminal's last line; says nothing into a pipe. */
function progressLine(): { show: (progress: WeightProgress) => void; clear: () => void } {
  let shown = -1;
  return {
    show({ bytesDone, bytesTotal }) {
      const percent = Math.floor((100 * bytesDone) / bytesTotal);
      if (!process.stderr.isTTY || percent === shown) return;
      shown = percent;
      process.stderr.write(`\r${percent} %`);
    },
    clear() {
      if (process.stderr.isTTY && shown >= 0) process.stderr.write('\r\x1b[K');
    },
  };
}

function listTensors({ kind, model }: OpenedModel, quantization: Quantization): void {
  const results = kind === 'gguf' ? model.tensors : quantizedTensors(model, quantization);
  model.tensors.forEach(({ name, type, shape }, i) => {
    const change = type === results[i].type ? type : `${type} → ${results[i].type}`;
    process.stderr.write(`${name} [${shape.join(', ')}] ${change}, ${results[i].bytes} bytes\n`);
  });
}

function summary(out: string, manifest: Manifest): string {
  const bytes = manifest.shards.reduce((sum, shard) => sum + shard.bytes, 0);
  const counts = new Map<string, number>();
  for (const { type } of manifest.tensors) counts.set(type, (counts.get(type) ?? 0) + 1);
  const types = Array.from(counts, ([type, count]) => `${count} ${type}`).join(', ');
  const megabytes = (bytes / 1e6).toFixed(1);
  const shards = manifest.shards.length === 1 ? '1 shard' : `${manifest.shards.length} shards`;
  return `${out}: ${manifest.modelId}, ${megabytes} MB in ${shards}, ${manifest.tensors.length} tensors (${types})\n`;
}

/** See `usage`. What a failure or Ctrl-C leaves of OUT is removed. */
export async function run(args: string[], { signal }: CommandContext): Promise<void> {
  const request = parseRequest(args);
  const opened = await identifyModel(request.source, signal);
  if (opened.kind === 'shards') {
    throw new LapisError('bad-request', `${request.source} is a shard folder already.`);
  }
  if (opened.kind === 'gguf' && request.quantization) {
    throw new UsageError('--quantize does not go with a GGUF, whose weights are kept as they are.');
  }
  const quantization = request.quantization ?? 'q4_k_m';
  const made = await prepare(request.out);
  const folder = shardFolder(request.out);
  const progress = progressLine();
  const modelId = request.modelId ?? opened.model.id;
  try {
    if (request.verbose) listTensors(opened, quantization);
    const options = { modelId, signal, onProgress: progress.show };
    const manifest =
      opened.kind === 'gguf'
        ? await storeGguf(folder, opened.model, options)
        : await convertModel(folder, opened.model, { ...options, quantization });
    progress.clear();
    process.stderr.write(summary(request.out, manifest));
  } catch (error) {
    progress.clear();
    for (const name of await readdir(request.out)) await rm(join(request.out, name), { force: true });
    if (made) await rm(request.out, { recursive: true, force: true });
    throw error;
  }
}
