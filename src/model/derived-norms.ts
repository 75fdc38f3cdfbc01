import type { GgufModelSource } from './gguf.ts';
import type { NormSource } from './norm.ts';
import { effectiveNorm, isNorm } from './norm.ts';
import { WEIGHTS_SCHEMA_VERSION } from './schema-version.ts';
import type { ModelSource } from './source.ts';
import type { TensorInfo } from './tensor.ts';

/**
 * The effective norms of a model whose shards are a published file's bytes, one after another as F32, in the order of its
 * tensors.
 */
export const NORMS_FILE = 'norms.bin';

/** What is made of a source's bytes beyond keeping them, and the version that stands for it. */
export interface Recipe {
  schemaVersion: number;
  norm: (stored: Float32Array, source: NormSource) => Float32Array<ArrayBuffer>;
}

export const RECIPE: Recipe = { schemaVersion: WEIGHTS_SCHEMA_VERSION, norm: effectiveNorm };

/** Where each norm stands in the file, and the size of it all. */
function layOut(tensors: readonly TensorInfo[]): { offsets: Map<string, number>; bytes: number } {
  const offsets = new Map<string, number>();
  let bytes = 0;
  for (const tensor of tensors) {
    if (!isNorm(tensor.name)) continue;
    offsets.set(tensor.name, bytes);
    bytes += tensor.bytes;
  }
  return { offsets, bytes };
}

/** Makes the file's content from the source's own bytes. */
export async function deriveNorms(
  model: GgufModelSource,
  { norm }: Recipe,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const { offsets, bytes } = layOut(model.tensors);
  const norms = new Uint8Array(bytes);
  for (const { name, bytes: length, fileOffset } of model.tensors) {
    const offset = offsets.get(name);
    if (offset === undefined) continue;
    const stored = await model.file.read(fileOffset, length, signal);
    norms.set(new Uint8Array(norm(new Float32Array(stored.buffer), model.normSource).buffer), offset);
  }
  return norms;
}

/** The model with its norms taken from the file's content. */
export function withNorms(source: ModelSource, norms: Uint8Array<ArrayBuffer>): ModelSource {
  const { offsets } = layOut(source.tensors);
  return {
    ...source,
    async *weights(options) {
      for await (const chunk of source.weights(options)) {
        const start = offsets.get(chunk.tensor.name);
        if (start === undefined) yield chunk;
        else {
          const from = start + chunk.offset;
          yield { ...chunk, bytes: norms.subarray(from, from + chunk.bytes.length) };
        }
      }
    },
  };
}
