import type { TensorType } from '../../../model/tensor.ts';
import { TENSOR_TYPES } from '../../../model/tensor.ts';
import { LapisError } from '../../../protocol/errors.ts';
import { BufferRanges, bytesOfRanges } from '../../buffer-ranges.ts';
import { COPY_DST, type GpuDevice, RANGE_ALIGNMENT, STORAGE } from '../../device.ts';
import type { Bindings } from '../../kernel.ts';
import bf16 from './bf16.wgsl?raw';
import f16 from './f16.wgsl?raw';
import f32 from './f32.wgsl?raw';
import fifth from './fifth.wgsl?raw';
import iq4_nl from './iq4_nl.wgsl?raw';
import load16 from './load16.wgsl?raw';
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

/**
 * How a tensor type stands in GPU memory. A new quantization type is one entry here with its WGSL, and one in repack/ where that is not
 * how it is published.
 */
interface WeightLayout {
  /**
   * Defines `Stored`, what stands in memory of elements 16·index … 16·index + 15, `fetch16(index)`, which reads it, and
   * `decode16(stored, index)`, the elements as f32.
   */
  load: string;
  /** Bytes of each bound buffer per block, in order of binding (group 1). */
  buffers: { name: string; bytesPerBlock: number }[];
}

const SCALES = { name: 'scales', bytesPerBlock: 2 };

const LAYOUTS: Record<TensorType, WeightLayout> = {
  F32: { load: f32, buffers: [{ name: 'elements', bytesPerBlock: 4 }] },
  F16: { load: f16, buffers: [{ name: 'elements', bytesPerBlock: 2 }] },
  BF16: { load: bf16, buffers: [{ name: 'elements', bytesPerBlock: 2 }] },
  Q4_0: { load: nibbles + q4_0, buffers: [{ name: 'quants', bytesPerBlock: 16 }, SCALES] },
  Q4_1: {
    load: nibbles + q4_1,
    buffers: [
      { name: 'quants', bytesPerBlock: 16 },
      { name: 'heads', bytesPerBlock: 4 },
    ],
  },
  Q5_0: {
    load: nibbles + fifth + q5_0,
    buffers: [{ name: 'quants', bytesPerBlock: 16 }, { name: 'fifth bits', bytesPerBlock: 4 }, SCALES],
  },
  Q5_1: {
    load: nibbles + fifth + q5_1,
    buffers: [
      { name: 'quants', bytesPerBlock: 16 },
      { name: 'fifth bits', bytesPerBlock: 4 },
      { name: 'heads', bytesPerBlock: 4 },
    ],
  },
  Q8_0: { load: nibbles + q8_0, buffers: [{ name: 'quants', bytesPerBlock: 32 }, SCALES] },
  Q4_K: {
    load: nibbles + scaleAndMin + q4_k,
    buffers: [
      { name: 'quants', bytesPerBlock: 128 },
      { name: 'heads', bytesPerBlock: 16 },
    ],
  },
  Q5_K: {
    load: nibbles + fifth + scaleAndMin + q5_k,
    buffers: [
      { name: 'quants', bytesPerBlock: 128 },
      { name: 'fifth bits', bytesPerBlock: 32 },
      { name: 'heads', bytesPerBlock: 16 },
    ],
  },
  Q6_K: {
    load: nibbles + q6_k,
    buffers: [
      { name: 'quants', bytesPerBlock: 128 },
      { name: 'upper bits', bytesPerBlock: 64 },
      { name: 'sub-scales', bytesPerBlock: 16 },
      SCALES,
    ],
  },
  // The same bytes as Q4_0, read by another curve.
  IQ4_NL: { load: nibbles + iq4_nl, buffers: [{ name: 'quants', bytesPerBlock: 16 }, SCALES] },
};

/** The WGSL that reads weights of a type, for kernels to build on: `fetch16` and `decode16` apart, or `load16`, which does both. */
export function weightText(type: TensorType): string {
  return LAYOUTS[type].load + load16;
}

/** Bytes of each range of a WeightPart per block, in order. */
export function bytesPerBlock(type: TensorType): number[] {
  return LAYOUTS[type].buffers.map((buffer) => buffer.bytesPerBlock);
}

/** Some rows of a weight matrix, which one kernel can bind. */
export interface WeightPart {
  firstRow: number;
  rows: number;
  /** Ranges of one buffer, in order of binding. */
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

/** What a matrix is like before it has memory. */
export type MatrixShape = Pick<WeightMatrix, 'label' | 'type' | 'rows' | 'columns'>;

/** Bindings of group 1 for a part. */
export function weightBindings(part: WeightPart): Bindings {
  return part.ranges;
}

/**
 * Bytes of each range of a matrix in one part. Throws `unsupported` for columns that are not a multiple of 32 or of the type's block.
 */
export function matrixRangeBytes({ label, type, rows, columns }: MatrixShape): number[] {
  const { blockSize } = TENSOR_TYPES[type];
  if (columns % 32 !== 0 || columns % blockSize !== 0) {
    throw new LapisError(
      'unsupported',
      `${label} has rows of ${columns}; ${type} needs a multiple of ${Math.max(32, blockSize)}.`,
    );
  }
  const blocks = (columns / blockSize) * rows;
  return LAYOUTS[type].buffers.map(({ bytesPerBlock }) => Math.ceil((bytesPerBlock * blocks) / 16) * 16);
}

/** A matrix in ranges of a buffer that others share. */
export function placeWeightMatrix(shape: MatrixShape, ranges: BufferRanges): WeightMatrix {
  const part = { firstRow: 0, rows: shape.rows, ranges: matrixRangeBytes(shape).map((bytes) => ranges.next(bytes)) };
  return { ...shape, parts: [part] };
}

/** Allocates a matrix, zeroed: a buffer for each part. Throws like `matrixRangeBytes`. */
export function createWeightMatrix(device: GpuDevice, shape: MatrixShape): WeightMatrix {
  const rowBytes =
    bytesPerBlock(shape.type).reduce((sum, bytes) => sum + bytes, 0) *
    (shape.columns / TENSOR_TYPES[shape.type].blockSize);
  const spareBytes = bytesPerBlock(shape.type).length * RANGE_ALIGNMENT;
  const rowsPerPart = Math.min(shape.rows, Math.max(1, Math.floor((device.maxBindingBytes - spareBytes) / rowBytes)));
  const parts: WeightPart[] = [];
  for (let firstRow = 0; firstRow < shape.rows; firstRow += rowsPerPart) {
    const rows = Math.min(rowsPerPart, shape.rows - firstRow);
    const sizes = matrixRangeBytes({ ...shape, rows });
    const ranges = new BufferRanges(device.createBuffer(shape.label, bytesOfRanges(sizes), STORAGE | COPY_DST));
    parts.push({ firstRow, rows, ranges: sizes.map((bytes) => ranges.next(bytes)) });
  }
  return { ...shape, parts };
}

/** The buffers that a matrix stands in. */
export function buffersOf({ parts }: WeightMatrix): GPUBuffer[] {
  return parts.map(({ ranges }) => ranges[0]!.buffer);
}
