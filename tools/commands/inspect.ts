import { parseArgs } from 'node:util';
import { dequantize } from '../../src/model/codecs/registry.ts';
import { isNorm } from '../../src/model/norm.ts';
import type { ModelSource } from '../../src/model/source.ts';
import type { CommandContext } from '../command-line.ts';
import { openModel } from '../model-files.ts';
import { UsageError } from '../usage-error.ts';

export const usage = `lapis inspect MODEL [--json]
  What a model holds: configuration, tensors (GGUF names), tokenizer, and the effective factors of its norms. Reads all of it, so
  that damaged shards are found.`;

interface NormSummary {
  name: string;
  source: 'w' | '1+w';
  mean: number;
  min: number;
  max: number;
}

async function summarizeNorms(model: ModelSource, signal: AbortSignal): Promise<NormSummary[]> {
  const norms: NormSummary[] = [];
  for await (const { tensor, bytes } of model.weights({ signal })) {
    if (!isNorm(tensor.name)) continue;
    // A norm is one row, and a row is never cut.
    const factors = dequantize(tensor.type, bytes);
    let sum = 0;
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    for (const factor of factors) {
      sum += factor;
      min = Math.min(min, factor);
      max = Math.max(max, factor);
    }
    norms.push({ name: tensor.name, source: model.normSource, mean: sum / factors.length, min, max });
  }
  return norms;
}

/** What `inspect --json` prints. */
async function inspect(model: ModelSource, signal: AbortSignal): Promise<object> {
  const { tokenizer } = model;
  return {
    architecture: 'gemma3',
    config: model.config,
    tensors: model.tensors.map(({ name, type, shape, bytes }) => ({ name, type, shape, bytes })),
    tokenizer: { type: tokenizer.type, size: tokenizer.tokens.length, bos: tokenizer.bos, eos: tokenizer.eos },
    schemaVersion: model.schemaVersion,
    norms: await summarizeNorms(model, signal),
  };
}

function describe(model: ModelSource, norms: NormSummary[]): string {
  const { tokenizer } = model;
  const lines = ['architecture: gemma3', `schema version: ${model.schemaVersion}`];
  for (const [name, value] of Object.entries(model.config)) lines.push(`${name}: ${value}`);
  lines.push(
    `tokenizer: ${tokenizer.type}, ${tokenizer.tokens.length} pieces, bos ${tokenizer.bos}, eos ${tokenizer.eos}`,
  );
  lines.push('', `${model.tensors.length} tensors, ${model.tensors.reduce((sum, { bytes }) => sum + bytes, 0)} bytes:`);
  for (const { name, type, shape, bytes } of model.tensors)
    lines.push(`${name} ${type} [${shape.join(', ')}] ${bytes}`);
  lines.push('', `${norms.length} norms, stored as ${model.normSource}, as effective factors:`);
  for (const { name, mean, min, max } of norms) {
    lines.push(`${name} mean ${mean.toFixed(4)}, min ${min.toFixed(4)}, max ${max.toFixed(4)}`);
  }
  return `${lines.join('\n')}\n`;
}

/** See `usage`. */
export async function run(args: string[], { signal }: CommandContext): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false } },
  });
  if (positionals.length !== 1) throw new UsageError('inspect takes one MODEL.');
  const model = await openModel(positionals[0], signal);
  const text = values.json
    ? `${JSON.stringify(await inspect(model, signal), null, 2)}\n`
    : describe(model, await summarizeNorms(model, signal));
  process.stdout.write(text);
}
