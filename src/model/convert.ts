import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { LapisError } from '../protocol/errors.ts';
import { throwIfAborted } from './byte-source.ts';
import { dequantize, quantize } from './codecs/registry.ts';
import type { GgufModelSource } from './gguf.ts';
import type { Manifest, ManifestSource, Quantization } from './manifest.ts';
import { quantizedType } from './quantization.ts';
import {
  planShards,
  type ShardFolder,
  type ShardLayout,
  type ShardPlan,
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

async function* quantizedBytes(
  model: ModelSource,
  layout: ShardLayout,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const targets = new Map(layout.tensors.map((tensor) => [tensor.name, tensor]));
  let position = 0;
  for await (const { tensor: source, offset, bytes } of model.weights({ signal })) {
    const target = targets.get(source.name)!;
    if (offset === 0 && position < target.fileOffset) {
      yield new Uint8Array(target.fileOffset - position);
      position = target.fileOffset;
    }
    if (source.type === target.type) {
      yield bytes;
      position += bytes.length;
      continue;
    }
    const rowBytes = tensorBytes(source.type, source.shape[source.shape.length - 1]);
    const rows = Math.max(1, Math.floor(SLAB_VALUES / source.shape[source.shape.length - 1]));
    for (let at = 0; at < bytes.length; at += rows * rowBytes) {
      await turn();
      throwIfAborted(signal);
      const quantized = quantizeWeights(target, dequantize(source.type, bytes.subarray(at, at + rows * rowBytes)));
      yield quantized;
      position += quantized.length;
    }
  }
}

async function* withProgress(
  stream: AsyncIterable<Uint8Array>,
  bytesTotal: number,
  onProgress: ConvertOptions['onProgress'],
): AsyncGenerator<Uint8Array> {
  let bytesDone = 0;
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
  { modelId, shardBytes, signal, onProgress }: ConvertOptions,
): Promise<Manifest> {
  const plan: ShardPlan = planShards(layout, shardBytes);
  const shards = await writeShards(folder, plan, withProgress(stream, layout.bytes, onProgress), { signal });
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

/**
 * Quantizes a model of unquantized weights (a Hugging Face folder) into a shard folder, with llama.cpp's rules for which tensor
 * becomes which type. Holds a chunk of rows and one shard in memory. The manifest is written last, so what an error or `signal`
 * leaves behind is no model. Errors: `corrupt`, `unsupported`, `aborted`.
 */
export async function convertModel(
  folder: ShardFolder,
  model: ModelSource,
  options: ConvertOptions & { quantization: Quantization },
): Promise<Manifest> {
  const { quantization, signal } = options;
  const quantized = model.tensors.find(({ type }) => TENSOR_TYPES[type].blockSize > 1);
  if (quantized) {
    throw new LapisError('bad-request', `The model is quantized already: ${quantized.name} is ${quantized.type}.`);
  }
  const layout = layOut(quantizedTensors(model, quantization));
  const source = (): ManifestSource => ({ kind: 'huggingface', quantization });
  return store(folder, model, layout, quantizedBytes(model, layout, signal), source, options);
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
