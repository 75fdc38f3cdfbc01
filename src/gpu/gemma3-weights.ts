import type { Gemma3Config } from '../model/config.ts';
import { expectedTensors, OUTPUT_TENSOR } from '../model/gemma3-tensors.ts';
import type { ModelSource, WeightProgress } from '../model/source.ts';
import type { TensorInfo } from '../model/tensor.ts';
import { LapisError } from '../protocol/errors.ts';
import { BufferRanges, bytesOfRanges } from './buffer-ranges.ts';
import { COPY_DST, type GpuDevice, STORAGE } from './device.ts';
import { WeightUploader } from './kernels/repack/upload.ts';
import {
  buffersOf,
  createWeightMatrix,
  type MatrixShape,
  matrixRangeBytes,
  placeWeightMatrix,
  type WeightMatrix,
} from './kernels/weights/weights.ts';

/** A norm on the residual stream, the effective factors. */
export interface NormWeights {
  weights: GPUBufferBinding;
  /** The norm of the branch that is added before, which stands right before `weights` in their buffer. */
  branchNorm?: GPUBufferBinding;
}

export interface LayerWeights {
  /** q, k and v stacked in runs of one type; each run with its first output. */
  qkv: { matrix: WeightMatrix; firstOutput: number }[];
  attentionOutput: WeightMatrix;
  /** [2 · feedForward, hidden], gate above up, when both have one type; else the two. */
  gateUp: WeightMatrix[];
  down: WeightMatrix;
  /** Before attention; from the second layer on with the post-norm of the layer before. */
  inputNorm: NormWeights;
  /** q's norm; k's stands behind it. */
  qNorm: GPUBufferBinding;
  kNorm: GPUBufferBinding;
  /** Before the feed-forward, with attention's post-norm. */
  feedForwardNorm: NormWeights;
  /** All of the above, where they have room in one buffer that a kernel can bind. */
  buffer?: GPUBuffer;
}

export interface Gemma3Weights {
  embedding: WeightMatrix;
  /** The embedding again when tied. */
  head: WeightMatrix;
  layers: LayerWeights[];
  /** With the post-norm of the last layer. */
  outputNorm: NormWeights;
}

/** Bytes from one norm of `size` elements to the next in their buffer. */
export function normStride(size: number): number {
  return bytesOfRanges([size * 4]);
}

/** A norm and the one behind it, in one binding. */
export function normPair(norm: GPUBufferBinding): GPUBufferBinding {
  return { ...norm, size: normStride(norm.size! / 4) + norm.size! };
}

/** Where a tensor goes: some rows of a matrix, or a vector. */
type Destination = { matrix: WeightMatrix; row: number } | { vector: GPUBufferBinding };

/** Tensors of one type stacked above each other, with the rows of each. */
interface Stack {
  names: string[];
  rows: number[];
  columns: number;
}

/** Allocates what `source` needs and says where each tensor goes. Throws `corrupt` for a missing or misshapen tensor. */
export class Gemma3WeightMap {
  readonly weights: Gemma3Weights;
  readonly #device: GpuDevice;
  readonly #tensors: Map<string, TensorInfo>;
  readonly #destinations = new Map<string, Destination>();
  readonly #buffers: GPUBuffer[] = [];

  constructor(device: GpuDevice, source: ModelSource) {
    this.#device = device;
    this.#tensors = new Map(source.tensors.map((tensor) => [tensor.name, tensor]));
    const { config } = source;
    // Before anything is allocated by what the configuration says.
    for (const [name, shape] of expectedTensors(config)) this.#expectShape(name, shape);
    const { vocabularySize, hiddenSize, layerCount } = config;
    if (this.#tensors.has(OUTPUT_TENSOR)) this.#expectShape(OUTPUT_TENSOR, [vocabularySize, hiddenSize]);
    const vocabulary = (name: string) => this.#alone({ names: [name], rows: [vocabularySize], columns: hiddenSize });
    const embedding = vocabulary('token_embd.weight');
    const head = this.#tensors.has(OUTPUT_TENSOR) ? vocabulary(OUTPUT_TENSOR) : embedding;
    const layers = Array.from({ length: layerCount }, (_, layer) => this.#layer(config, layer));
    const outputNorm = this.#norms(this.#ranges('output norm', [hiddenSize * 4, hiddenSize * 4]), hiddenSize, [
      postNorm(layerCount - 1),
      'output_norm.weight',
    ]);
    this.weights = { embedding, head, layers, outputNorm: residualNorm(outputNorm) };
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

  #layer(config: Gemma3Config, layer: number): LayerWeights {
    const { hiddenSize, feedForwardSize, headCount, kvHeadCount, headDim } = config;
    const name = (tensor: string) => `blk.${layer}.${tensor}.weight`;
    const qkv = this.#stacks(
      [name('attn_q'), name('attn_k'), name('attn_v')],
      [headCount * headDim, kvHeadCount * headDim, kvHeadCount * headDim],
      hiddenSize,
    );
    const output = { names: [name('attn_output')], rows: [hiddenSize], columns: headCount * headDim };
    const gateUp = this.#stacks([name('ffn_gate'), name('ffn_up')], [feedForwardSize, feedForwardSize], hiddenSize);
    const down = { names: [name('ffn_down')], rows: [hiddenSize], columns: feedForwardSize };
    const inputNorms = [...(layer > 0 ? [postNorm(layer - 1)] : []), name('attn_norm')];
    const feedForwardNorms = [name('post_attention_norm'), name('ffn_norm')];
    const headNorms = [name('attn_q_norm'), name('attn_k_norm')];

    // What is the same in all layers comes first: kernels know an offset as a constant, and are compiled for each.
    const stacks = [output, ...gateUp, ...qkv, down];
    const normBytes = [hiddenSize, hiddenSize, hiddenSize, hiddenSize, headDim, headDim].map((size) => size * 4);
    const matrixBytes = stacks.flatMap((stack) => matrixRangeBytes(this.#shape(stack)));
    const together = bytesOfRanges([...normBytes, ...matrixBytes]) <= this.#device.maxBindingBytes;
    const ranges = this.#ranges(`layer ${layer}`, together ? [...normBytes, ...matrixBytes] : normBytes);
    // The first layer's norms stand where the others' do.
    if (layer === 0) ranges.next(hiddenSize * 4);
    const inputNorm = this.#norms(ranges, hiddenSize, inputNorms);
    const feedForwardNorm = this.#norms(ranges, hiddenSize, feedForwardNorms);
    const [qNorm, kNorm] = this.#norms(ranges, headDim, headNorms);
    const matrices = new Map(
      stacks.map((stack) => [stack, together ? this.#placed(stack, ranges) : this.#alone(stack)]),
    );
    let firstOutput = 0;
    return {
      qkv: qkv.map((stack) => {
        const run = { matrix: matrices.get(stack)!, firstOutput };
        firstOutput += run.matrix.rows;
        return run;
      }),
      attentionOutput: matrices.get(output)!,
      gateUp: gateUp.map((stack) => matrices.get(stack)!),
      down: matrices.get(down)!,
      inputNorm: residualNorm(inputNorm),
      feedForwardNorm: residualNorm(feedForwardNorm),
      qNorm: qNorm!,
      kNorm: kNorm!,
      ...(together && { buffer: ranges.buffer }),
    };
  }

  /** Neighbours of one type share a matrix, and so a dispatch. */
  #stacks(names: string[], rows: number[], columns: number): Stack[] {
    const stacks: Stack[] = [];
    for (let first = 0; first < names.length; ) {
      const { type } = this.#tensor(names[first]!);
      let end = first + 1;
      while (end < names.length && this.#tensor(names[end]!).type === type) end++;
      stacks.push({ names: names.slice(first, end), rows: rows.slice(first, end), columns });
      first = end;
    }
    return stacks;
  }

  #shape({ names, rows, columns }: Stack): MatrixShape {
    return {
      label: names.join(' + '),
      type: this.#tensor(names[0]!).type,
      rows: rows.reduce((sum, count) => sum + count, 0),
      columns,
    };
  }

  /** A matrix in a buffer of its own, or in several. */
  #alone(stack: Stack): WeightMatrix {
    const matrix = createWeightMatrix(this.#device, this.#shape(stack));
    this.#buffers.push(...buffersOf(matrix));
    this.#fill(stack, matrix);
    return matrix;
  }

  #placed(stack: Stack, ranges: BufferRanges): WeightMatrix {
    const matrix = placeWeightMatrix(this.#shape(stack), ranges);
    this.#fill(stack, matrix);
    return matrix;
  }

  #fill({ names, rows }: Stack, matrix: WeightMatrix): void {
    let row = 0;
    names.forEach((name, index) => {
      this.#destinations.set(name, { matrix, row });
      row += rows[index]!;
    });
  }

  #ranges(label: string, sizes: readonly number[]): BufferRanges {
    const buffer = this.#device.createBuffer(label, bytesOfRanges(sizes), STORAGE | COPY_DST);
    this.#buffers.push(buffer);
    return new BufferRanges(buffer);
  }

  #norms(ranges: BufferRanges, size: number, names: readonly string[]): GPUBufferBinding[] {
    return names.map((name) => this.#norm(name, size, ranges));
  }

  #norm(name: string, size: number, ranges: BufferRanges): GPUBufferBinding {
    const { type } = this.#tensor(name);
    if (type !== 'F32') throw new LapisError('unsupported', `The norm ${name} is of type ${type}; F32 was expected.`);
    const vector = ranges.next(size * 4);
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

/** The tensor of a layer's last norm, which the norm after it applies. */
function postNorm(layer: number): string {
  return `blk.${layer}.post_ffw_norm.weight`;
}

/** One norm, or the branch's and then the stream's. */
function residualNorm(norms: GPUBufferBinding[]): NormWeights {
  const [first, second] = norms;
  return second ? { branchNorm: first!, weights: second } : { weights: first! };
}
