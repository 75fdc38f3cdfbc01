import type { GpuDevice } from './device.ts';
import type { Binding, Bindings } from './kernel.ts';
import type { WeightMatrix, WeightPart } from './kernels/weights/weights.ts';
import { weightBindings } from './kernels/weights/weights.ts';

/** Many prompt rows, or the few rows of generated tokens. */
export type RowClass = { kind: 'prompt' } | { kind: 'generated'; rows: number };

export interface LinearOperands {
  matrix: WeightMatrix;
  batch: Binding;
  /** [rows][matrix.columns] f32. */
  input: Binding;
  /** [rows][outputStride] f32. */
  output: Binding;
  /** Default 0. */
  outputOffset?: number;
  outputStride: number;
  /** gelu(upper half · x) × (lower half · x): half as many outputs as rows. */
  gated?: boolean;
  /** Rows of the input begin at the batch's head row. */
  fromHeadRow?: boolean;
  /** Prompt rows: into how many sums over a part of the columns each output is split, [splits][rows][outputStride]; default 1. */
  splits?: number;
  /** One generated row: what makes the input from `input`, in every workgroup. */
  prologue?: InputPrologue;
  /** Generated rows: the input is arranged for as many rows (matvec/arranged.wgsl), which reads faster. */
  arranged?: boolean;
  /** Generated rows, gated: the same for the output, which has `outputStride` columns. */
  outputArranged?: boolean;
}

/** A kernel's own way to its input, in place of a dispatch before it. */
export interface InputPrologue {
  name: string;
  /** Of the size that `PROLOGUE_WORKGROUP` gives. */
  constants: Record<string, number>;
  /** Defines `GROUPS`, `prepare_input` and `input_quad` (matvec.wgsl). */
  parts: string[];
  /** Group 0 from binding 3 on. */
  bindings: Bindings;
}

/** Invocations of a workgroup that makes its input: one number, since the order of its sums follows from it. */
export const PROLOGUE_WORKGROUP = 256;

/**
 * Bytes of workgroup memory that a product which makes its input takes at most: the input, and what sums go through. Without subgroups that is 8 an
 * invocation for the norm and 4.5 for each of two products, with them a quarter of it or less.
 */
export function prologueBytes({ features }: GpuDevice, columns: number): number {
  return columns * 4 + PROLOGUE_WORKGROUP * (features.shuffleWidth > 1 ? 5 : 17);
}

/** How many generated rows a kernel takes together that is to serve so many. */
export function rowsTogether(rows: number): number {
  return rows === 1 ? 1 : rows <= 4 ? 4 : 8;
}

/** Bindings of groups 0 and 1. */
export function bindings({ batch, input, output, prologue }: LinearOperands, part: WeightPart): Bindings[] {
  return [[batch, input, output, ...(prologue?.bindings ?? [])], weightBindings(part)];
}

/** What the kernel's text is given besides its bindings: a uniform buffer for it would cost every dispatch. */
export function constants(operands: LinearOperands, part: WeightPart): Record<string, number> {
  const { matrix, gated, outputOffset = 0, outputStride } = operands;
  return {
    COLUMNS: matrix.columns,
    HALVES: gated ? 2 : 1,
    VALUES: gated ? part.rows / 2 : part.rows,
    OUTPUT_OFFSET: outputOffset + part.firstRow,
    OUTPUT_STRIDE: outputStride,
  };
}
