import type { GpuDevice } from './device.ts';
import gelu from './kernels/gelu/gelu.wgsl?raw';
import { madd } from './kernels/madd/madd.ts';
import matmul from './kernels/matmul/matmul.wgsl?raw';
import matmulSubgroupMatrix from './kernels/matmul/matmul_subgroup_matrix.wgsl?raw';
import naive from './kernels/matvec/naive.wgsl?raw';
import operandsText from './kernels/matvec/operands.wgsl?raw';
import outputText from './kernels/matvec/output.wgsl?raw';
import { type WeightMatrix, type WeightPart, weightText } from './kernels/weights/weights.ts';
import { bindings, constants, type LinearOperands, type RowClass, rowsTogether } from './linear-operands.ts';
import { matvecPairStep, matvecStep, vectorStep } from './matvec-steps.ts';
import type { StepSource } from './plan-step.ts';
import rowsText from './rows.wgsl?raw';

/** Whether a matrix can be used with `gated`: gate and up of one output must stand in one part. */
export function canGate(matrix: WeightMatrix): boolean {
  return matrix.parts.length === 1;
}

/** y = W·x for a class of rows, one step for each part of W. */
export function linear(device: GpuDevice, rowClass: RowClass, operands: LinearOperands): StepSource[] {
  const { parts } = operands.matrix;
  // A CPU adapter gains nothing from shuffles or from tiles in workgroup memory.
  if (device.features.naive) return parts.map((part) => naiveStep(device, operands, part));
  if (rowClass.kind === 'prompt') return parts.map((part) => matmulStep(device, operands, part));
  return parts.map((part) => matvecStep(device, rowsTogether(rowClass.rows), operands, part));
}

/**
 * Products that differ in matrix and `outputOffset` alone, two in a dispatch where generated rows allow it: what a dispatch costs is more than what
 * a small product costs.
 * @param storageBuffers how many a kernel may use
 */
export function linears(
  device: GpuDevice,
  rowClass: RowClass,
  all: LinearOperands[],
  storageBuffers = device.device.limits.maxStorageBuffersPerShaderStage,
): StepSource[] {
  const [first, second] = all;
  if (all.length === 2 && canPair(device, rowClass, storageBuffers, first!, second!)) {
    return [matvecPairStep(device, rowsTogether(rowClass.rows), [first!, second!])];
  }
  return all.flatMap((operands) => linear(device, rowClass, operands));
}

function canPair(
  { features }: GpuDevice,
  rowClass: RowClass,
  storageBuffers: number,
  ...all: LinearOperands[]
): rowClass is RowClass & { kind: 'generated' } {
  const ranges = all.reduce((sum, { matrix }) => sum + matrix.parts[0]!.ranges.length, 0);
  // Beside the weights: input, output, and what makes the input.
  const others = 2 + (all[0]!.prologue?.bindings.length ?? 0);
  return (
    rowClass.kind === 'generated' &&
    !features.naive &&
    all.every(({ matrix }) => matrix.parts.length === 1) &&
    others + ranges <= storageBuffers
  );
}

function naiveStep(device: GpuDevice, operands: LinearOperands, part: WeightPart): StepSource {
  const { matrix, gated } = operands;
  const outputs = gated ? part.rows / 2 : part.rows;
  const kernel = {
    label: `naive matvec ${matrix.type}`,
    constants: { ...constants(operands, part), FROM_HEAD_ROW: operands.fromHeadRow ? 1 : 0 },
    parts: [rowsText, operandsText, outputText, madd(device), weightText(matrix.type), gelu, naive],
  };
  const dispatch = { groups: Math.ceil(outputs / 64), rowsAtOnce: 4, label: `matvec ${matrix.label}` };
  return vectorStep(kernel, bindings(operands, part), dispatch);
}

/** Prompt rows of a matmul tile, as in matmul.wgsl and matmul_subgroup_matrix.wgsl. */
const TILE_ROWS = 64;

function matmulStep(device: GpuDevice, operands: LinearOperands, part: WeightPart): StepSource {
  const { matrix } = operands;
  const { splits = 1 } = operands;
  const { subgroupMatrix } = device.features;
  const tile = subgroupMatrix ? subgroupMatrixTile(part.rows, splits) : matmulTile(part.rows, splits);
  const kernel = {
    label: `matmul ${matrix.type}`,
    constants: {
      ...constants(operands, part),
      TILE_N: tile,
      SPLITS: splits,
      ...(subgroupMatrix && { STACKED: tile / 64 }),
    },
    parts: [
      rowsText,
      operandsText,
      outputText,
      madd(device),
      weightText(matrix.type),
      gelu,
      subgroupMatrix ? matmulSubgroupMatrix : matmul,
    ],
    subgroups: subgroupMatrix,
    subgroupMatrix,
  };
  const tiles = Math.ceil(part.rows / tile);
  return {
    kernel,
    groups: bindings(operands, part),
    size: ({ rows }) => [tiles, Math.ceil(rows / TILE_ROWS), splits],
    label: `matmul ${matrix.label}`,
  };
}

/**
 * Weight rows of a matmul tile: few where a matrix has few rows, since wide tiles would leave most of a large GPU idle; more where many
 * splits give it work as well, since a wide tile reads less from workgroup memory for each product.
 */
function matmulTile(weightRows: number, splits: number): number {
  if (weightRows > 4096) return 128;
  if (splits < 4) return 32;
  return weightRows > 2048 ? 128 : 64;
}

/** The same on subgroup matrices, which want wider tiles. */
function subgroupMatrixTile(weightRows: number, splits: number): number {
  return weightRows > 4096 || splits >= 4 ? 128 : 64;
}

/**
 * Into how many sums the branches' narrow matmuls split their columns: a tile's steps are a chain, and few rows of weights give few
 * tiles. A number of the shape alone, so that a prompt row's bits do not depend on the chunk.
 */
export function matmulSplits(columns: number): number {
  return Math.min(8, Math.ceil(columns / 1024));
}
