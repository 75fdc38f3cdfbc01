import type { TensorType } from '../../../model/tensor.ts';
import { TENSOR_TYPES, tensorBytes } from '../../../model/tensor.ts';
import { LapisError } from '../../../protocol/errors.ts';
import { COPY_DST, type GpuDevice, RANGE_ALIGNMENT, STORAGE, UNIFORM } from '../../device.ts';
import { type Bindings, encode, Kernel } from '../../kernel.ts';
import repackQ4_0 from '../repack/q4_0.wgsl?raw';
import repackQ4_1 from '../repack/q4_1.wgsl?raw';
import repackQ4_K from '../repack/q4_k.wgsl?raw';
import repackQ5_0 from '../repack/q5_0.wgsl?raw';
import repackQ5_1 from '../repack/q5_1.wgsl?raw';
import repackQ5_K from '../repack/q5_k.wgsl?raw';
import repackQ6_K from '../repack/q6_k.wgsl?raw';
import repackQ8_0 from '../repack/q8_0.wgsl?raw';
import repackText from '../repack/repack.wgsl?raw';
import bf16 from './bf16.wgsl?raw';
import f16 from './f16.wgsl?raw';
import f32 from './f32.wgsl?raw';
import fifth from './fifth.wgsl?raw';
import iq4_nl from './iq4_nl.wgsl?raw';
import nibbles from './nibbles.wgsl?raw';
import q4_0 from './q4_0.wgsl?raw';
import q4_1 from './q4_1.wgsl?raw';
import q4_k from './q4_k.wgsl?raw';
import q5_0 from './q5_0.wgsl?raw';
import q5_1 from './q5_1.wgsl?raw';
import q5_k from './q5_k.wgsl?raw';
import q6_k from './q6_k.wgsl?raw';
import q8_0 from './q8_0.wgsl?raw';
import scaleAndMin from './scale_and_min.wgsl?raw';

/** How a tensor type stands in GPU memory and how it gets there. A new quantization type is one entry here and its WGSL. */
interface WeightLayout {
  /** Defines `load16(index)`: elements 16·index … 16·index + 15 as f32. */
  load: string;
  /** Bytes of each bound buffer per block, in order of binding (group 1). */
  buffers: { name: string; bytesPerBlock: number }[];
  /** Defines `repack(block, target_block)`; without it the stored bytes are uploaded as they are. */
  repack?: string;
}

const SCALES = { name: 'scales', bytesPerBlock: 2 };

const LAYOUTS: Record<TensorType, WeightLayout> = {
  F32: { load: f32, buffers: [{ name: 'elements', bytesPerBlock: 4 }] },
  F16: { load: f16, buffers: [{ name: 'elements', bytesPerBlock: 2 }] },
  BF16: { load: bf16, buffers: [{ name: 'elements', bytesPerBlock: 2 }] },
  Q4_0: { load: nibbles + q4_0, buffers: [{ name: 'quants', bytesPerBlock: 16 }, SCALES], repack: repackQ4_0 },
  Q4_1: {
    load: nibbles + q4_1,
    buffers: [
      { name: 'quants', bytesPerBlock: 16 },
      { name: 'heads', bytesPerBlock: 4 },
    ],
    repack: repackQ4_1,
  },
  Q5_0: {
    load: nibbles + fifth + q5_0,
    buffers: [{ name: 'quants', bytesPerBlock: 16 }, { name: 'fifth bits', bytesPerBlock: 4 }, SCALES],
    repack: repackQ5_0,
  },
  Q5_1: {
    load: nibbles + fifth + q5_1,
    buffers: [
      { name: 'quants', bytesPerBlock: 16 },
      { name: 'fifth bits', bytesPerBlock: 4 },
      { name: 'heads', bytesPerBlock: 4 },
    ],
    repack: repackQ5_1,
  },
  Q8_0: { load: nibbles + q8_0, buffers: [{ name: 'quants', bytesPerBlock: 32 }, SCALES], repack: repackQ8_0 },
  Q4_K: {
    load: nibbles + scaleAndMin + q4_k,
    buffers: [
      { name: 'quants', bytesPerBlock: 128 },
      { name: 'heads', bytesPerBlock: 16 },
    ],
    repack: repackQ4_K,
  },
  Q5_K: {
    load: nibbles + fifth + scaleAndMin + q5_k,
    buffers: [
      { name: 'quants', bytesPerBlock: 128 },
      { name: 'fifth bits', bytesPerBlock: 32 },
      { name: 'heads', bytesPerBlock: 16 },
    ],
    repack: repackQ5_K,
  },
  Q6_K: {
    load: nibbles + q6_k,
    buffers: [
      { name: 'quants', bytesPerBlock: 128 },
      { name: 'upper bits', bytesPerBlock: 64 },
      { name: 'sub-scales', bytesPerBlock: 16 },
      SCALES,
    ],
    repack: repackQ6_K,
  },
  // The same bytes as Q4_0, read by another curve.
  IQ4_NL: { load: nibbles + iq4_nl, buffers: [{ name: 'quants', bytesPerBlock: 16 }, SCALES], repack: repackQ4_0 },
};

/** The WGSL that reads weights of a type, for kernels to build on. */
export function weightText(type: TensorType): string {
  return LAYOUTS[type].load;
}

/** Some rows of a weight matrix, which one kernel can bind. */
export interface WeightPart {
  firstRow: number;
  rows: number;
  /** One buffer for all of it: a dispatch costs the CPU more with every buffer that it uses. */
  buffer: GPUBuffer;
  /** Ranges of the buffer, in order of binding. */
  ranges: GPUBufferBinding[];
}

/** A weight matrix [rows, columns] on the GPU: one tensor, or several of one type stacked; split by rows where a binding is too small. */
export interface WeightMatrix {
  label: string;
  type: TensorType;
  rows: number;
  columns: number;
  parts: WeightPart[];
}

/** Bindings of group 1 for a part. */
export function weightBindings(part: WeightPart): Bindings {
  return part.ranges;
}

/** Allocates a matrix, zeroed. Throws `unsupported` for columns that are not a multiple of 32 or of the type's block. */
export function createWeightMatrix(
  device: GpuDevice,
  label: string,
  type: TensorType,
  rows: number,
  columns: number,
): WeightMatrix {
  const { blockSize } = TENSOR_TYPES[type];
  if (columns % 32 !== 0 || columns % blockSize !== 0) {
    throw new LapisError(
      'unsupported',
      `${label} has rows of ${columns}; ${type} needs a multiple of ${Math.max(32, blockSize)}.`,
    );
  }
  const { buffers } = LAYOUTS[type];
  const blocksPerRow = columns / blockSize;
  const rowBytes = buffers.reduce((sum, buffer) => sum + buffer.bytesPerBlock, 0) * blocksPerRow;
  const spareBytes = 16 + (buffers.length - 1) * RANGE_ALIGNMENT;
  const rowsPerPart = Math.min(rows, Math.max(1, Math.floor((device.maxBindingBytes - spareBytes) / rowBytes)));
  const parts: WeightPart[] = [];
  for (let firstRow = 0; firstRow < rows; firstRow += rowsPerPart) {
    const partRows = Math.min(rowsPerPart, rows - firstRow);
    const sizes = buffers.map(({ bytesPerBlock }) => Math.ceil((bytesPerBlock * blocksPerRow * partRows) / 16) * 16);
    const offsets: number[] = [];
    let bytes = 0;
    for (const size of sizes) {
      offsets.push(bytes);
      bytes = Math.ceil((bytes + size) / RANGE_ALIGNMENT) * RANGE_ALIGNMENT;
    }
    const buffer = device.createBuffer(label, bytes, STORAGE | COPY_DST);
    const ranges = sizes.map((size, index) => ({ buffer, offset: offsets[index]!, size }));
    parts.push({ firstRow, rows: partRows, buffer, ranges });
  }
  return { label, type, rows, columns, parts };
}

/** How much of a tensor is staged on the GPU at a time, bytes. */
const STAGING_BYTES = 16 * 1024 * 1024;

/** Brings stored bytes into weight matrices: staged as published, repacked on the GPU. */
export class WeightUploader {
  readonly #device: GpuDevice;
  readonly #kernels = new Map<TensorType, Kernel>();
  #staging: GPUBuffer | undefined;
  #queued = 0;

  private constructor(device: GpuDevice) {
    this.#device = device;
  }

  /** Compiles the repack kernels of the types that occur. */
  static async create(device: GpuDevice, types: Iterable<TensorType>): Promise<WeightUploader> {
    const uploader = new WeightUploader(device);
    await Promise.all(
      [...new Set(types)].map(async (type) => {
        const { repack } = LAYOUTS[type];
        if (!repack) return;
        const kernel = await Kernel.compile(device, { label: `repack ${type}`, parts: [repackText, repack] });
        uploader.#kernels.set(type, kernel);
      }),
    );
    return uploader;
  }

  /**
   * Uploads whole blocks of a tensor that begins at row `row` of `matrix`.
   * @param offset of `bytes` in the tensor
   */
  async upload(matrix: WeightMatrix, row: number, offset: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const rowBytes = tensorBytes(matrix.type, matrix.columns);
    const { blockBytes } = TENSOR_TYPES[matrix.type];
    const start = row * rowBytes + offset;
    for (const part of matrix.parts) {
      const partStart = part.firstRow * rowBytes;
      const from = Math.max(start, partStart);
      const to = Math.min(start + bytes.byteLength, partStart + part.rows * rowBytes);
      const step = Math.floor(STAGING_BYTES / blockBytes) * blockBytes;
      for (let at = from; at < to; at += step) {
        const piece = bytes.subarray(at - start, Math.min(at + step, to) - start);
        this.#uploadPiece(matrix.type, part, at - partStart, piece);
        await this.#yieldToGpu(piece.byteLength);
      }
    }
  }

  #uploadPiece(type: TensorType, part: WeightPart, offset: number, bytes: Uint8Array<ArrayBuffer>): void {
    const { queue } = this.#device.device;
    const kernel = this.#kernels.get(type);
    if (!kernel) {
      queue.writeBuffer(part.buffer, offset, bytes);
      return;
    }
    const { blockBytes } = TENSOR_TYPES[type];
    this.#staging ??= this.#device.createBuffer('staging', STAGING_BYTES + 16, STORAGE | COPY_DST);
    // writeBuffer takes multiples of four bytes: the last few go in a word of their own.
    const whole = bytes.byteLength & ~3;
    if (whole > 0) queue.writeBuffer(this.#staging, 0, bytes, 0, whole);
    if (whole < bytes.byteLength) {
      const tail = new Uint8Array(4);
      tail.set(bytes.subarray(whole));
      queue.writeBuffer(this.#staging, whole, tail);
    }
    const blockCount = bytes.byteLength / blockBytes;
    const params = this.#device.createBuffer('repack params', 16, UNIFORM | COPY_DST);
    queue.writeBuffer(params, 0, new Uint32Array([blockCount, offset / blockBytes]));
    const groups = Math.ceil(blockCount / 64);
    const width = Math.min(groups, 32768);
    const encoder = this.#device.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode(pass, [kernel.bind([[params, this.#staging, ...part.ranges]], [width, Math.ceil(groups / width)])]);
    pass.end();
    queue.submit([encoder.finish()]);
    params.destroy();
  }

  /** writeBuffer copies into staging memory of the browser's own: wait for the GPU before that grows past a shard. */
  async #yieldToGpu(bytes: number): Promise<void> {
    this.#queued += bytes;
    if (this.#queued < 64 * 1024 * 1024) return;
    this.#queued = 0;
    await this.#device.device.queue.onSubmittedWorkDone();
  }

  destroy(): void {
    this.#staging?.destroy();
  }
}
