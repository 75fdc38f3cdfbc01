import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { LapisError } from '../protocol/errors.ts';
import { throwIfAborted } from './byte-source.ts';
import { dequantize, quantize } from './codecs/registry.ts';
import type { ConvertedPart } from './converted-part.ts';
import { OtherWeights, SourceTrail } from './converted-part.ts';
import type { GgufModelSource } from './gguf.ts';
import type { Manifest, ManifestShard, ManifestSource, Quantization } from './manifest.ts';
import { quantizedType } from './quantization.ts';
import {
  planShards,
  type ShardFolder,
  type ShardLayout,
  type ShardPlan,
  type WriteShardsOptions,
  writeManifest,
  writeShards,
} from './shards.ts';
import type { ModelSource, WeightProgress } from './source.ts';
import { TENSOR_TYPES, type TensorInfo, tensorBytes } from './tensor.ts';

export interface ConvertOptions {
  modelId: string;
  /** The largest shard; 64 MiB when absent. */
  shardBytes?: number;
  signal?: AbortSignal;
  /** Bytes of the result. */
  onProgress?: (progress: WeightProgress) => void;
}

/** Where a converted tensor begins: as in GGUF files. */
const ALIGNMENT = 32;

/** Weights quantized between two looks at the signal: about a tenth of a second of Q4_K. */
const SLAB_VALUES = 256 * 1024;

const READ_BYTES = 16 * 1024 * 1024;

/** What f16 cannot hold rounds to infinity from here on, in a scale or as a weight. */
const F16_OVERFLOW = 65_520;

/** Lets timers and signals have their turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** What the model becomes under `quantization`: names, types and sizes, in the same order. */
export function quantizedTensors(model: ModelSource, quantization: Quantization): TensorInfo[] {
  return model.tensors.map(({ name, shape }) => {
    const type = quantizedType({ name, shape }, quantization, model);
    return {
      name,
      type,
      shape,
      bytes: tensorBytes(
        type,
        shape.reduce((a, b) => a * b, 1),
      ),
    };
  });
}

function layOut(tensors: readonly TensorInfo[]): ShardLayout {
  let end = 0;
  const placed = tensors.map((tensor) => {
    const fileOffset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    end = fileOffset + tensor.bytes;
    return { ...tensor, fileOffset };
  });
  return { bytes: end, tensors: placed };
}

/** f32 weights as `tensor`'s blocks. Throws `corrupt` for a weight that is not finite or that f16 cannot hold. */
function quantizeWeights(tensor: TensorInfo, values: Float32Array): Uint8Array<ArrayBuffer> {
  for (const value of values) {
    if (!(Math.abs(value) < F16_OVERFLOW)) {
      throw new LapisError(
        'corrupt',
        `The tensor ${tensor.name} holds the weight ${value}, which ${tensor.type} cannot hold.`,
      );
    }
  }
  return quantize(tensor.type, values);
}

interface QuantizeOptions {
  signal?: AbortSignal;
  /** What comes before this byte of the layout is neither made nor yielded, only read. */
  from: number;
  /** Called with each chunk of weights and where it ends in the layout, before anything of it is yielded. */
  onChunk?: (bytes: Uint8Array<ArrayBuffer>, end: number) => Promise<void>;
}

async function* quantizedBytes(
  model: ModelSource,
  layout: ShardLayout,
  { signal, from, onChunk }: QuantizeOptions,
): AsyncGenerator<Uint8Array> {
  const targets = new Map(layout.tensors.map((tensor) => [tensor.name, tensor]));
  let position = 0;
  const next = (length: number, make: () => Uint8Array): Uint8Array | undefined => {
    const skipped = Math.min(Math.max(from - position, 0), length);
    position += length;
    return skipped < length ? make().subarray(skipped) : undefined;
  };
  for await (const { tensor: source, offset, bytes } of model.weights({ signal })) {
    const target = targets.get(source.name)!;
    const columns = source.shape[source.shape.length - 1];
    const rowBytes = tensorBytes(source.type, columns);
    const targetBytes = (length: number) => tensorBytes(target.type, (length / rowBytes) * columns);
    const gap = offset === 0 ? target.fileOffset - position : 0;
    await onChunk?.(bytes, position + gap + targetBytes(bytes.length));
    const padding = next(gap, () => new Uint8Array(gap));
    if (padding) yield padding;
    if (source.type === target.type) {
      const rest = next(bytes.length, () => bytes);
      if (rest) yield rest;
      continue;
    }
    const rows = Math.max(1, Math.floor(SLAB_VALUES / columns));
    for (let at = 0; at < bytes.length; at += rows * rowBytes) {
      const slab = bytes.subarray(at, at + rows * rowBytes);
      const length = targetBytes(slab.length);
      if (position + length > from) await turn();
      throwIfAborted(signal);
      const quantized = next(length, () => quantizeWeights(target, dequantize(source.type, slab)));
      if (quantized) yield quantized;
    }
  }
}

async function* withProgress(
  stream: AsyncIterable<Uint8Array>,
  bytesKept: number,
  bytesTotal: number,
  onProgress: ConvertOptions['onProgress'],
): AsyncGenerator<Uint8Array> {
  let bytesDone = bytesKept;
  for await (const piece of stream) {
    yield piece;
    bytesDone += piece.length;
    onProgress?.({ bytesDone, bytesTotal });
  }
}

async function store(
  folder: ShardFolder,
  model: ModelSource,
  layout: ShardLayout,
  stream: AsyncIterable<Uint8Array>,
  describeSource: () => ManifestSource,
  { modelId, shardBytes, signal, onProgress, kept = [], onShard }: ConvertOptions & WriteShardsOptions,
): Promise<Manifest> {
  const plan: ShardPlan = planShards(layout, shardBytes);
  if (kept.some(({ bytes }, index) => plan.shards[index]?.bytes !== bytes)) throw new OtherWeights();
  const progress = withProgress(stream, bytesOf(kept), layout.bytes, onProgress);
  const shards = await writeShards(folder, plan, progress, { signal, kept, onShard });
  const manifest: Manifest = {
    schemaVersion: model.schemaVersion,
    modelId,
    norm: 'effective',
    source: describeSource(),
    config: model.config,
    tokenizer: model.tokenizer,
    shards,
    tensors: plan.tensors,
  };
  await writeManifest(folder, manifest);
  return manifest;
}

function bytesOf(shards: readonly ManifestShard[]): number {
  return shards.reduce((sum, { bytes }) => sum + bytes, 0);
}

export interface QuantizingOptions extends ConvertOptions {
  quantization: Quantization;
  /** What an attempt that was cut off has left in the folder. Its weights are read again to compare them, and not quantized. */
  kept?: ConvertedPart;
  /** Called when a shard is on the disk; the conversion goes on when it has resolved. */
  onPart?: (part: ConvertedPart) => Promise<void>;
}

/**
 * Quantizes a model of unquantized weights (a Hugging Face folder) into a shard folder, with llama.cpp's rules for which tensor
 * becomes which type. Holds a chunk of rows and one shard in memory. The manifest is written last, so what an error or `signal`
 * leaves behind is no model. Errors: `corrupt`, `unsupported`, `aborted`, and OtherWeights when `kept` is nothing to go on with.
 */
export async function convertModel(
  folder: ShardFolder,
  model: ModelSource,
  options: QuantizingOptions,
): Promise<Manifest> {
  const { kept, onPart, ...rest } = options;
  const { quantization, signal, onProgress } = rest;
  const quantized = model.tensors.find(({ type }) => TENSOR_TYPES[type].blockSize > 1);
  if (quantized) {
    throw new LapisError('bad-request', `The model is quantized already: ${quantized.name} is ${quantized.type}.`);
  }
  const layout = layOut(quantizedTensors(model, quantization));
  const source = (): ManifestSource => ({ kind: 'huggingface', quantization });
  if (!kept && !onPart) {
    return store(folder, model, layout, quantizedBytes(model, layout, { signal, from: 0 }), source, rest);
  }
  const trail = new SourceTrail();
  await trail.add(new TextEncoder().encode(JSON.stringify([quantization, layout.tensors])));
  const from = bytesOf(kept?.shards ?? []);
  let compared = !kept;
  const onChunk = async (bytes: Uint8Array<ArrayBuffer>, end: number) => {
    await trail.add(bytes);
    if (compared) return;
    onProgress?.({ bytesDone: Math.min(end, from), bytesTotal: layout.bytes });
    if (end < from) return;
    // The chunk that the last kept byte is of, or stands before: the next byte that is made stands on it.
    if (trail.sha256 !== kept?.sourceSha256) throw new OtherWeights();
    compared = true;
  };
  const { bytes } = layout;
  return store(folder, model, layout, quantizedBytes(model, layout, { signal, from, onChunk }), source, {
    ...rest,
    kept: kept?.shards,
    onShard: (shards) => onPart?.({ bytes, shards, sourceSha256: trail.sha256 }),
  });
}

/**
 * Stores a GGUF as it is in a shard folder: the shards are ranges of the file, header and padding too, so that joined they are
 * the file, byte for byte. Errors and memory as with convertModel.
 */
export async function storeGguf(
  folder: ShardFolder,
  model: GgufModelSource,
  options: ConvertOptions,
): Promise<Manifest> {
  const { file, tensors } = model;
  const hash = sha256.create();
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for (let offset = 0; offset < file.size; offset += READ_BYTES) {
      const piece = await file.read(offset, Math.min(READ_BYTES, file.size - offset), options.signal);
      hash.update(piece);
      yield piece;
    }
  }
  const source = (): ManifestSource => ({ kind: 'gguf', bytes: file.size, sha256: bytesToHex(hash.digest()) });
  return store(folder, model, { bytes: file.size, tensors }, bytes(), source, options);
}
