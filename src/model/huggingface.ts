import * as v from 'valibot';
import { LapisError } from '../protocol/errors.ts';
import { printable } from '../protocol/printable.ts';
import { type ByteSource, throwIfAborted } from './byte-source.ts';
import { chunkBytes } from './chunks.ts';
import { dequantize } from './codecs/registry.ts';
import { checkTensors, expectedTensors, OUTPUT_TENSOR } from './gemma3-tensors.ts';
import { huggingFaceConfig } from './hf-config.ts';
import { ggufName, isOtherTower } from './hf-names.ts';
import { huggingFaceTokenizer } from './hf-tokenizer.ts';
import { FOLDER_LIMITS } from './limits.ts';
import { effectiveNorm, isNorm } from './norm.ts';
import { readSafetensors, type SafeTensor } from './safetensors.ts';
import { WEIGHTS_SCHEMA_VERSION } from './schema-version.ts';
import type { ModelSource } from './source.ts';
import type { TensorInfo, TensorType } from './tensor.ts';
import { tensorBytes } from './tensor.ts';
import { parseUntrustedJson } from './untrusted-json.ts';

/** A folder of files, as in a Hugging Face repository: a directory of Node, or one that a person picked in a page. */
export interface FileFolder {
  /** The file of that name; undefined when it is absent. */
  open(name: string): Promise<ByteSource | undefined>;
}

const DTYPES: readonly string[] = ['F32', 'F16', 'BF16'] satisfies TensorType[];

async function readFile(
  folder: FileFolder,
  name: string,
  limit: number,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  const file = await folder.open(name);
  if (!file) return undefined;
  if (file.size > limit)
    throw new LapisError('corrupt', `${name} has ${file.size} bytes; at most ${limit} are accepted.`);
  return file.read(0, file.size, signal);
}

async function readJson(folder: FileFolder, name: string, limit: number, signal?: AbortSignal): Promise<unknown> {
  const bytes = await readFile(folder, name, limit, signal);
  return bytes && parseUntrustedJson(bytes, name);
}

/** A file of the folder itself: no path, and nothing that a sentence could not hold. */
const SAFETENSORS_NAME = /^\w[\w.-]{0,200}\.safetensors$/;

const indexSchema = v.object({ weight_map: v.record(v.string(), v.string()) });

/** Every tensor of the folder: of `model.safetensors`, or of the files that `model.safetensors.index.json` names. */
async function readTensors(folder: FileFolder, signal?: AbortSignal): Promise<SafeTensor[]> {
  const single = await folder.open('model.safetensors');
  if (single) return readSafetensors(single, 'model.safetensors', signal);
  const name = 'model.safetensors.index.json';
  const value = await readJson(folder, name, FOLDER_LIMITS.indexBytes, signal);
  if (value === undefined) throw new LapisError('corrupt', `The folder has neither model.safetensors nor ${name}.`);
  const index = v.safeParse(indexSchema, value, { abortEarly: true });
  if (!index.success) throw new LapisError('corrupt', `${name} has no weight_map of names to files.`);
  const labels = new Set(Object.values(index.output.weight_map));
  if (labels.size > FOLDER_LIMITS.files) {
    throw new LapisError('corrupt', `${name} names ${labels.size} files; at most ${FOLDER_LIMITS.files} are accepted.`);
  }
  const tensors: SafeTensor[] = [];
  for (const label of labels) {
    const file = SAFETENSORS_NAME.test(label) ? await folder.open(label) : undefined;
    if (!file) throw new LapisError('corrupt', `The file ${printable(label)}, which ${name} names, is missing.`);
    for (const tensor of await readSafetensors(file, label, signal)) tensors.push(tensor);
    if (tensors.length > FOLDER_LIMITS.tensors) {
      throw new LapisError('corrupt', `The files have more than ${FOLDER_LIMITS.tensors} tensors.`);
    }
  }
  return tensors;
}

/** The text model's tensors by GGUF name. */
function textTensors(tensors: readonly SafeTensor[]): Map<string, SafeTensor> {
  const byName = new Map<string, SafeTensor>();
  for (const tensor of tensors) {
    if (isOtherTower(tensor.name)) continue;
    const name = ggufName(tensor.name);
    if (!name)
      throw new LapisError('unsupported', `The tensor ${printable(tensor.name)} is not part of a Gemma 3 model.`);
    if (byName.has(name)) throw new LapisError('corrupt', `The tensor ${printable(tensor.name)} stands there twice.`);
    byName.set(name, tensor);
  }
  return byName;
}

function describe(name: string, tensor: SafeTensor): TensorInfo {
  const { dtype, shape } = tensor;
  if (!DTYPES.includes(dtype)) {
    throw new LapisError(
      'unsupported',
      `The tensor ${printable(tensor.name)} is of type ${printable(dtype)}; ${DTYPES.join(', ')} are supported.`,
    );
  }
  const count = shape.reduce((a, b) => a * b, 1);
  const stored = tensorBytes(dtype as TensorType, count);
  if (stored !== tensor.bytes) {
    throw new LapisError(
      'corrupt',
      `The tensor ${printable(tensor.name)} has ${tensor.bytes} bytes instead of ${stored}.`,
    );
  }
  const type = isNorm(name) ? 'F32' : (dtype as TensorType);
  return { name, type, shape, bytes: tensorBytes(type, count) };
}

/**
 * Opens a Hugging Face folder of Gemma3ForCausalLM or Gemma3ForConditionalGeneration (the text model of it). Norms become
 * effective F32; everything else is yielded as it is stored (BF16, F16 or F32). Errors: `not-gemma`, `unsupported`, `corrupt`,
 * each naming what is wrong, and `aborted`.
 */
export async function openHuggingFace(
  folder: FileFolder,
  { id, signal }: { id: string; signal?: AbortSignal },
): Promise<ModelSource> {
  const configJson = await readJson(folder, 'config.json', FOLDER_LIMITS.configBytes, signal);
  if (configJson === undefined) throw new LapisError('corrupt', 'The folder has no config.json.');
  // The architecture is judged before the weights are looked at: a Llama's tensors are not "missing" ones.
  huggingFaceConfig(configJson, 1);
  const byName = textTensors(await readTensors(folder, signal));
  const embedding = byName.get('token_embd.weight');
  if (!embedding) throw new LapisError('corrupt', 'The embedding (embed_tokens.weight) is missing.');
  const { config, tied, stop } = huggingFaceConfig(configJson, embedding.shape[0]);
  if (tied) byName.delete(OUTPUT_TENSOR);

  const order = new Map([...expectedTensors(config).keys(), OUTPUT_TENSOR].map((name, place) => [name, place]));
  const place = ({ name }: TensorInfo): number => order.get(name) ?? order.size;
  const tensors = [...byName].map(([name, tensor]) => describe(name, tensor)).sort((a, b) => place(a) - place(b));
  checkTensors(config, tensors);

  const tokenizerLimit = FOLDER_LIMITS.tokenizerBytes;
  const model = await readFile(folder, 'tokenizer.model', tokenizerLimit, signal);
  const tokenizerConfig = await readJson(folder, 'tokenizer_config.json', tokenizerLimit, signal);
  const tokenizer = huggingFaceTokenizer(
    {
      model,
      // 33 MB that say nothing new beside a SentencePiece model and its added tokens.
      json: model && tokenizerConfig ? undefined : await readJson(folder, 'tokenizer.json', tokenizerLimit, signal),
      config: tokenizerConfig,
      added: await readJson(folder, 'added_tokens.json', tokenizerLimit, signal),
    },
    config.vocabularySize,
    stop,
  );

  return {
    id,
    schemaVersion: WEIGHTS_SCHEMA_VERSION,
    config,
    tokenizer,
    tensors,
    normSource: 'w',
    async *weights({ signal, onProgress } = {}) {
      const bytesTotal = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
      let bytesDone = 0;
      for (const tensor of tensors) {
        const stored = byName.get(tensor.name)!;
        const norm = isNorm(tensor.name);
        // A norm is at most some kilobytes and changes its type: all of it at once.
        const step = norm ? stored.bytes : chunkBytes(tensor);
        for (let offset = 0; offset < stored.bytes; offset += step) {
          throwIfAborted(signal);
          const read = await stored.file.read(
            stored.fileOffset + offset,
            Math.min(step, stored.bytes - offset),
            signal,
          );
          const bytes = norm
            ? new Uint8Array(effectiveNorm(dequantize(stored.dtype as TensorType, read), 'w').buffer)
            : read;
          yield { tensor, offset, bytes };
          bytesDone += bytes.length;
          onProgress?.({ bytesDone, bytesTotal });
        }
      }
    },
  };
}
