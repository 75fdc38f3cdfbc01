import type { GpuDevice } from './device.ts';
import { type Bindings, Kernel } from './kernel.ts';
import gelu from './kernels/gelu/gelu.wgsl?raw';
import { madd } from './kernels/madd/madd.ts';
import matmul from './kernels/matmul/matmul.wgsl?raw';
import arrangedText from './kernels/matvec/arranged.wgsl?raw';
import plainInput from './kernels/matvec/input.wgsl?raw';
import matvec from './kernels/matvec/matvec.wgsl?raw';
import matvecRows from './kernels/matvec/matvec_rows.wgsl?raw';
import naive from './kernels/matvec/naive.wgsl?raw';
import operandsText from './kernels/matvec/operands.wgsl?raw';
import sumSubgroups from './kernels/matvec/sum_subgroups.wgsl?raw';
import sumWorkgroup from './kernels/matvec/sum_workgroup.wgsl?raw';
import { type WeightMatrix, type WeightPart, weightBindings, weightText } from './kernels/weights/weights.ts';
import type { PlanStep } from './plan-step.ts';
import rowsText from './rows.wgsl?raw';

/** Many prompt rows, or the few rows of generated tokens. */
export type RowClass = { kind: 'prompt' } | { kind: 'generated'; rows: number };

export interface LinearOperands {
  matrix: WeightMatrix;
  batch: GPUBuffer;
  /** [rows][matrix.columns] f32. */
  input: GPUBuffer;
  /** [rows][outputStride] f32. */
  output: GPUBuffer;
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
  /** Generated rows: the same for the output, which has `outputStride` columns. */
  outputArranged?: boolean;
  /** Instead of `matvecGeometry`'s (measurements). */
  geometry?: MatvecGeometry;
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

/** Whether a matrix can be used with `gated`: gate and up of one output must stand in one part. */
export function canGate(matrix: WeightMatrix): boolean {
  return matrix.parts.length === 1;
}

/** y = W·x for a class of rows, one step for each part of W. */
export async function linear(device: GpuDevice, rowClass: RowClass, operands: LinearOperands): Promise<PlanStep[]> {
  const { parts } = operands.matrix;
  // A CPU adapter gains nothing from shuffles or from tiles in workgroup memory.
  if (device.features.naive) return Promise.all(parts.map((part) => naiveStep(device, operands, part)));
  if (rowClass.kind === 'prompt') return Promise.all(parts.map((part) => matmulStep(device, operands, part)));
  return Promise.all(parts.map((part) => matvecStep(device, rowsTogether(rowClass.rows), operands, part)));
}

/** How many generated rows a kernel takes together that is to serve so many. */
export function rowsTogether(rows: number): number {
  return rows === 1 ? 1 : rows <= 4 ? 4 : 8;
}

async function naiveStep(device: GpuDevice, operands: LinearOperands, part: WeightPart): Promise<PlanStep> {
  const { matrix, gated } = operands;
  const outputs = gated ? part.rows / 2 : part.rows;
  const kernel = await Kernel.compile(device, {
    label: `naive matvec ${matrix.type}`,
    constants: { ...constants(operands, part), FROM_HEAD_ROW: operands.fromHeadRow ? 1 : 0 },
    parts: [rowsText, operandsText, madd(device), weightText(matrix.type), gelu, naive],
  });
  return matvecPlanStep(kernel, operands, part, outputs, { perGroup: 64, rowsAtOnce: 4 });
}

/** Prompt rows of a matmul tile, as in matmul.wgsl. */
const TILE_ROWS = 64;

async function matmulStep(device: GpuDevice, operands: LinearOperands, part: WeightPart): Promise<PlanStep> {
  const { matrix } = operands;
  const tile = matmulTile(part.rows);
  const { splits = 1 } = operands;
  const kernel = await Kernel.compile(device, {
    label: `matmul ${matrix.type}`,
    constants: { ...constants(operands, part), TILE_N: tile, SPLITS: splits },
    parts: [rowsText, operandsText, madd(device), weightText(matrix.type), gelu, matmul],
  });
  const tiles = Math.ceil(part.rows / tile);
  const dispatch = kernel.bind(bindings(operands, part), [tiles], `matmul ${matrix.label}`);
  return { dispatch, size: ({ rows }) => [tiles, Math.ceil(rows / TILE_ROWS), splits] };
}

/** Weight rows of a matmul tile: few where a matrix has few rows, since wide tiles would leave most of a large GPU idle. */
function matmulTile(weightRows: number): number {
  return weightRows <= 4096 ? 32 : 128;
}

/**
 * Into how many sums the branches' narrow matmuls split their columns: a tile's steps are a chain, and few rows of weights give few
 * tiles. A number of the shape alone, so that a prompt row's bits do not depend on the chunk.
 */
export function matmulSplits(columns: number): number {
  return Math.min(8, Math.ceil(columns / 1024));
}

async function matvecStep(
  device: GpuDevice,
  rowsAtOnce: number,
  operands: LinearOperands,
  part: WeightPart,
): Promise<PlanStep> {
  const { matrix, gated } = operands;
  const outputs = gated ? part.rows / 2 : part.rows;
  const { prologue } = operands;
  const { shuffleWidth } = device.features;
  const geometry = operands.geometry ?? matvecGeometry(matrix, outputs, gated ? 2 : 1, rowsAtOnce);
  const subgroups = shuffleWidth > 1;
  const workgroup = prologue ? PROLOGUE_WORKGROUP : geometry.workgroup;
  const kernel = await Kernel.compile(device, {
    label: prologue ? `matvec ${matrix.type} of ${prologue.name}` : `matvec ${matrix.type}`,
    constants: {
      ...constants(operands, part),
      ROWS: rowsAtOnce,
      ROW_QUADS: Math.ceil(rowsAtOnce / 4),
      SUMS: geometry.outputs * (gated ? 2 : 1),
      FROM_HEAD_ROW: operands.fromHeadRow ? 1 : 0,
      WORKGROUP: workgroup,
      LANES: geometry.lanes,
      OUTPUTS: geometry.outputs,
      ARRANGED: operands.arranged ? 1 : 0,
      OUTPUT_ARRANGED: operands.outputArranged ? 1 : 0,
      ...(subgroups && { SHUFFLE: shuffleWidth }),
      ...prologue?.constants,
    },
    parts: [
      rowsText,
      operandsText,
      madd(device),
      weightText(matrix.type),
      gelu,
      subgroups ? sumSubgroups : sumWorkgroup,
      arrangedText,
      ...(rowsAtOnce > 1 ? [matvecRows] : [...(prologue?.parts ?? [plainInput]), matvec]),
    ],
    subgroups,
  });
  const perGroup = (workgroup / geometry.lanes) * geometry.outputs;
  return matvecPlanStep(kernel, operands, part, outputs, { perGroup, rowsAtOnce });
}

/** Binds a kernel of matvec's shape: outputs over x and y, blocks of rows over z. */
function matvecPlanStep(
  kernel: Kernel,
  operands: LinearOperands,
  part: WeightPart,
  outputs: number,
  { perGroup, rowsAtOnce }: { perGroup: number; rowsAtOnce: number },
): PlanStep {
  const groups = Math.ceil(outputs / perGroup);
  // A dispatch dimension ends at 65,535: the kernel folds y into x.
  const width = Math.min(groups, 32768);
  const height = Math.ceil(groups / width);
  const label = `matvec ${operands.matrix.label}`;
  const dispatch = kernel.bind(bindings(operands, part), [width, height], label);
  return { dispatch, size: ({ rows }) => [width, height, Math.ceil(rows / rowsAtOnce)] };
}

function bindings({ batch, input, output, prologue }: LinearOperands, part: WeightPart): Bindings[] {
  return [[batch, input, output, ...(prologue?.bindings ?? [])], weightBindings(part)];
}

/** What the kernel's text is given besides its bindings: a uniform buffer for it would cost every dispatch. */
function constants(operands: LinearOperands, part: WeightPart): Record<string, number> {
  const { matrix, gated, outputOffset = 0, outputStride } = operands;
  return {
    COLUMNS: matrix.columns,
    HALVES: gated ? 2 : 1,
    VALUES: gated ? part.rows / 2 : part.rows,
    OUTPUT_OFFSET: outputOffset + part.firstRow,
    OUTPUT_STRIDE: outputStride,
  };
}

/** How matvec spreads over invocations. */
export interface MatvecGeometry {
  workgroup: number;
  /** Invocations that share one output: the order of a sum follows from it. */
  lanes: number;
  /** Outputs of a team. */
  outputs: number;
}

/** Teams as wide as it takes to have this many invocations: what keeps a large GPU's memory busy. */
const ENOUGH_INVOCATIONS = 65_536;
/** Few rows of weights leave room for wider teams, whose steps are a chain. */
const FEW_OUTPUTS = 4096;
const FEW_STEPS = 4;
/** Up to so many, wider teams gain where their last step wastes no more; beyond, and where outputs are few, they lose. */
const MANY_INVOCATIONS = 2 ** 19;

/**
 * Lanes by the matrix alone, so that a row's bits do not depend on the rows beside it: of 8 to 128 the fewest that give enough
 * invocations and few steps over the groups of 16 columns, and more where the last step then wastes fewer.
 */
export function matvecGeometry(
  matrix: { rows: number; columns: number },
  outputs: number,
  halves: number,
  rows: number,
): MatvecGeometry {
  const groups = matrix.columns / 16;
  const used = (lanes: number) => groups / (Math.ceil(groups / lanes) * lanes);
  const teams = matrix.rows / halves;
  const enough = Math.max(ENOUGH_INVOCATIONS / teams, teams <= FEW_OUTPUTS ? groups / FEW_STEPS : 0);
  const mayBeWide = (lanes: number) => teams > FEW_OUTPUTS && teams * lanes <= MANY_INVOCATIONS;
  const wastesLess = (wide: number, lanes: number) =>
    used(wide) > used(lanes) || (used(wide) === used(lanes) && mayBeWide(wide));
  let lanes = 8;
  while (lanes < 128 && lanes < groups && (lanes < enough || wastesLess(lanes * 2, lanes))) lanes *= 2;
  return { workgroup: 128, lanes, outputs: outputsOfTeam(outputs, halves, rows) };
}

/** Outputs share what is read of the input, which counts where many are left for each team or several rows are read; gate and up do already. */
function outputsOfTeam(outputs: number, halves: number, rows: number): number {
  if (halves > 1) return 1;
  if (rows > 1) return outputs > FEW_OUTPUTS ? 4 : 2;
  return outputs >= 65536 ? 2 : 1;
}
