import type { Gemma3Config } from '../model/config.ts';
import type { ModelSource, WeightProgress } from '../model/source.ts';
import type { TensorInfo } from '../model/tensor.ts';
import { LapisError } from '../protocol/errors.ts';
import { COPY_DST, type GpuDevice, RANGE_ALIGNMENT, STORAGE } from './device.ts';
import { WeightUploader } from './kernels/repack/upload.ts';
import { createWeightMatrix, type WeightMatrix } from './kernels/weights/weights.ts';

export interface LayerWeights {
  /** q, k and v stacked in runs of one type; each run with its first output. */
  qkv: { matrix: WeightMatrix; firstOutput: number }[];
  attentionOutput: WeightMatrix;
  /** [2 · feedForward, hidden], gate above up, when both have one type; else the two. */
  gateUp: WeightMatrix[];
  down: WeightMatrix;
  /** The layer's norms, each a range of one buffer. q's stands before k's. */
  qNorm: GPUBufferBinding;
  kNorm: GPUBufferBinding;
  /** In the order in which the residual stream meets them; `outputNorm` follows those of the last layer. */
  inputNorm: GPUBufferBinding;
  postAttentionNorm: GPUBufferBinding;
  preFeedForwardNorm: GPUBufferBinding;
  postFeedForwardNorm: GPUBufferBinding;
}

export interface Gemma3Weights {
  embedding: WeightMatrix;
  /** The embedding again when tied. */
  head: WeightMatrix;
  layers: LayerWeights[];
  outputNorm: GPUBufferBinding;
}

/** Bytes from one norm of `size` elements to the next in their buffer. */
export function normStride(size: number): number {
  return Math.ceil((size * 4) / RANGE_ALIGNMENT) * RANGE_ALIGNMENT;
}

/** A norm and the one behind it, in one binding. */
export function normPair(norm: GPUBufferBinding): GPUBufferBinding {
  return { ...norm, size: normStride(norm.size! / 4) + norm.size! };
}

/** Where a tensor goes: some rows of a matrix, or a vector. */
type Destination = { matrix: WeightMatrix; row: number } | { vector: GPUBufferBinding };

/** A buffer of norms of one size, handed out in order. */
class NormBuffer {
  readonly buffer: GPUBuffer;
  readonly #size: number;
  #count = 0;

  constructor(device: GpuDevice, label: string, size: number, count: number) {
    this.buffer = device.createBuffer(label, normStride(size) * count, STORAGE | COPY_DST);
    this.#size = size;
  }

  next(): GPUBufferBinding {
    return { buffer: this.buffer, offset: normStride(this.#size) * this.#count++, size: this.#size * 4 };
  }
}

/** Allocates what `source` needs and says where each tensor goes. Throws `corrupt` for a missing or misshapen tensor. */
export class Gemma3WeightMap {
  readonly weights: Gemma3Weights;
  readonly #device: GpuDevice;
  readonly #tensors: Map<string, TensorInfo>;
  readonly #destinations = new Map<string, Destination>();
  readonly #buffers: GPUBuffer[] = [];
  readonly #norms: NormBuffer;
  readonly #headNorms: NormBuffer;

  constructor(device: GpuDevice, source: ModelSource) {
    this.#device = device;
    this.#tensors = new Map(source.tensors.map((tensor) => [tensor.name, tensor]));
    const { config } = source;
    const { vocabularySize, hiddenSize, headDim, layerCount } = config;
    this.#norms = new NormBuffer(device, 'norms', hiddenSize, 4 * layerCount + 1);
    this.#headNorms = new NormBuffer(device, 'head norms', headDim, 2 * layerCount);
    this.#buffers.push(this.#norms.buffer, this.#headNorms.buffer);
    const embedding = this.#matrix(['token_embd.weight'], [vocabularySize], hiddenSize);
    this.weights = {
      embedding,
      head: this.#tensors.has('output.weight')
        ? this.#matrix(['output.weight'], [vocabularySize], hiddenSize)
        : embedding,
      layers: Array.from({ length: layerCount }, (_, layer) => this.#layer(config, `blk.${layer}.`)),
      outputNorm: this.#norm('output_norm.weight', hiddenSize, this.#norms),
    };
  }

  /** Streams the weights in. Resolves when every byte has arrived and the source has verified what it verifies. */
  async upload(
    source: ModelSource,
    options: { signal?: AbortSignal; onProgress?: (progress: WeightProgress) => void },
  ) {
    const types = source.tensors.map((tensor) => tensor.type);
    const uploader = await WeightUploader.create(this.#device, types);
    try {
      for await (const { tensor, offset, bytes } of source.weights(options)) {
        const destination = this.#destinations.get(tensor.name);
        if (!destination) continue;
        if ('vector' in destination) {
          const { buffer, offset: start = 0 } = destination.vector;
          this.#device.device.queue.writeBuffer(buffer, start + offset, bytes);
        } else await uploader.upload(destination.matrix, destination.row, offset, bytes);
      }
      uploader.flush();
      await this.#device.device.queue.onSubmittedWorkDone();
    } finally {
      uploader.destroy();
    }
  }

  destroy(): void {
    for (const buffer of this.#buffers) buffer.destroy();
  }

  #layer(config: Gemma3Config, prefix: string): LayerWeights {
    const { hiddenSize, feedForwardSize, headCount, kvHeadCount, headDim } = config;
    const name = (tensor: string) => `${prefix}${tensor}.weight`;
    const gateUp = [name('ffn_gate'), name('ffn_up')];
    const gateUpRows = [feedForwardSize, feedForwardSize];
    return {
      qkv: this.#stack(
        [name('attn_q'), name('attn_k'), name('attn_v')],
        [headCount * headDim, kvHeadCount * headDim, kvHeadCount * headDim],
        hiddenSize,
      ),
      attentionOutput: this.#matrix([name('attn_output')], [hiddenSize], headCount * headDim),
      gateUp: this.#stack(gateUp, gateUpRows, hiddenSize).map((run) => run.matrix),
      down: this.#matrix([name('ffn_down')], [hiddenSize], feedForwardSize),
      inputNorm: this.#norm(name('attn_norm'), hiddenSize, this.#norms),
      qNorm: this.#norm(name('attn_q_norm'), headDim, this.#headNorms),
      kNorm: this.#norm(name('attn_k_norm'), headDim, this.#headNorms),
      postAttentionNorm: this.#norm(name('post_attention_norm'), hiddenSize, this.#norms),
      preFeedForwardNorm: this.#norm(name('ffn_norm'), hiddenSize, this.#norms),
      postFeedForwardNorm: this.#norm(name('post_ffw_norm'), hiddenSize, this.#norms),
    };
  }

  /** Neighbours of one type share a matrix, and so a dispatch. */
  #stack(names: string[], rows: number[], columns: number): { matrix: WeightMatrix; firstOutput: number }[] {
    const runs: { matrix: WeightMatrix; firstOutput: number }[] = [];
    for (let first = 0, firstOutput = 0; first < names.length; ) {
      const { type } = this.#tensor(names[first]!);
      let end = first + 1;
      while (end < names.length && this.#tensor(names[end]!).type === type) end++;
      const runRows = rows.slice(first, end);
      runs.push({ matrix: this.#matrix(names.slice(first, end), runRows, columns), firstOutput });
      firstOutput += runRows.reduce((sum, count) => sum + count, 0);
      first = end;
    }
    return runs;
  }

  #matrix(names: string[], rows: number[], columns: number): WeightMatrix {
    const { type } = this.#tensor(names[0]!);
    const total = rows.reduce((sum, count) => sum + count, 0);
    const matrix = createWeightMatrix(this.#device, names.join(' + '), type, total, columns);
    let row = 0;
    names.forEach((name, index) => {
      this.#expectShape(name, [rows[index]!, columns]);
      this.#destinations.set(name, { matrix, row });
      row += rows[index]!;
    });
    this.#buffers.push(...matrix.parts.map((part) => part.buffer));
    return matrix;
  }

  #norm(name: string, size: number, norms: NormBuffer): GPUBufferBinding {
    this.#expectShape(name, [size]);
    const { type } = this.#tensor(name);
    if (type !== 'F32') throw new LapisError('unsupported', `The norm ${name} is of type ${type}; F32 was expected.`);
    const vector = norms.next();
    this.#destinations.set(name, { vector });
    return vector;
  }

  #tensor(name: string): TensorInfo {
    const tensor = this.#tensors.get(name);
    if (!tensor) throw new LapisError('corrupt', `The model has no tensor ${name}.`);
    return tensor;
  }

  #expectShape(name: string, shape: number[]): void {
    const actual = this.#tensor(name).shape;
    if (actual.length !== shape.length || actual.some((size, i) => size !== shape[i])) {
      throw new LapisError(
        'corrupt',
        `The tensor ${name} has the shape [${actual}]; its configuration says [${shape}].`,
      );
    }
  }
}
