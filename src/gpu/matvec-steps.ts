import type { GpuDevice } from './device.ts';
import type { Bindings } from './kernel.ts';
import { type KernelSource, renameDeclared } from './kernel-text.ts';
import gelu from './kernels/gelu/gelu.wgsl?raw';
import { madd } from './kernels/madd/madd.ts';
import arrangedText from './kernels/matvec/arranged.wgsl?raw';
import plainInput from './kernels/matvec/input.wgsl?raw';
import alone from './kernels/matvec/main.wgsl?raw';
import pair from './kernels/matvec/main_pair.wgsl?raw';
import matvec from './kernels/matvec/matvec.wgsl?raw';
import matvecRows from './kernels/matvec/matvec_rows.wgsl?raw';
import operandsText from './kernels/matvec/operands.wgsl?raw';
import outputText from './kernels/matvec/output.wgsl?raw';
import outputQuads from './kernels/matvec/output_quads.wgsl?raw';
import sumSubgroups from './kernels/matvec/sum_subgroups.wgsl?raw';
import sumWorkgroup from './kernels/matvec/sum_workgroup.wgsl?raw';
import writeOutput from './kernels/matvec/write_output.wgsl?raw';
import { type WeightPart, weightBindings, weightText } from './kernels/weights/weights.ts';
import { bindings, constants, type LinearOperands, PROLOGUE_WORKGROUP, prologueBytes } from './linear-operands.ts';
import { matvecGeometry } from './matvec-geometry.ts';
import type { StepSource } from './plan-step.ts';
import rowsText from './rows.wgsl?raw';

/** A product of generated rows, as the kernel's text and its dispatch want it. */
interface Product {
  /** What depends on the matrix. */
  constants: Record<string, number>;
  /** The texts that use them. */
  parts: string[];
  workgroup: number;
  groups: number;
}

function productOf(device: GpuDevice, rowsAtOnce: number, operands: LinearOperands, part: WeightPart): Product {
  const { matrix, gated } = operands;
  const quads = writesQuads(rowsAtOnce, operands);
  const outputs = gated ? part.rows / 2 : part.rows;
  const geometry = matvecGeometry(matrix, outputs, gated ? 2 : 1, rowsAtOnce);
  const workgroup = operands.prologue ? PROLOGUE_WORKGROUP : geometry.workgroup;
  return {
    constants: {
      ...constants(operands, part),
      SUMS: geometry.outputs * (gated ? 2 : 1),
      LANES: geometry.lanes,
      OUTPUTS: geometry.outputs,
    },
    parts: [
      weightText(matrix.type),
      device.features.shuffleWidth > 1 ? sumSubgroups : sumWorkgroup,
      ...(rowsAtOnce > 1 ? [matvecRows] : quads ? [matvec] : [matvec, writeOutput]),
    ],
    workgroup,
    groups: Math.ceil(outputs / ((workgroup / geometry.lanes) * geometry.outputs)),
  };
}

/** Whether an output alone is written four columns at a time: teams of a gated product make one column each, neighbours beside each other. */
function writesQuads(rowsAtOnce: number, { gated = false, outputArranged = false }: LinearOperands): boolean {
  return rowsAtOnce === 1 && gated && outputArranged;
}

/** What is the same for all products of an input. */
function shared(device: GpuDevice, rowsAtOnce: number, operands: LinearOperands, { workgroup }: Product) {
  const { prologue } = operands;
  const { shuffleWidth } = device.features;
  return {
    constants: {
      ROWS: rowsAtOnce,
      ROW_QUADS: Math.ceil(rowsAtOnce / 4),
      FROM_HEAD_ROW: operands.fromHeadRow ? 1 : 0,
      WORKGROUP: workgroup,
      ARRANGED: operands.arranged ? 1 : 0,
      OUTPUT_ARRANGED: operands.gated && operands.outputArranged ? 1 : 0,
      ...(shuffleWidth > 1 && { SHUFFLE: shuffleWidth }),
      ...prologue?.constants,
    },
    parts: [
      rowsText,
      operandsText,
      writesQuads(rowsAtOnce, operands) ? outputQuads : outputText,
      madd(device),
      gelu,
      arrangedText,
      ...(rowsAtOnce > 1 ? [] : (prologue?.parts ?? [plainInput])),
    ],
    subgroups: shuffleWidth > 1,
  };
}

/** y = W·x for a part of W. */
export function matvecStep(
  device: GpuDevice,
  rowsAtOnce: number,
  operands: LinearOperands,
  part: WeightPart,
): StepSource {
  const { matrix, prologue } = operands;
  const product = productOf(device, rowsAtOnce, operands, part);
  const common = shared(device, rowsAtOnce, operands, product);
  const kernel = {
    label: prologue ? `matvec ${matrix.type} of ${prologue.name}` : `matvec ${matrix.type}`,
    constants: { ...product.constants, ...common.constants },
    parts: [...common.parts, ...product.parts, alone],
    subgroups: common.subgroups,
  };
  const { groups } = product;
  return {
    ...vectorStep(kernel, bindings(operands, part), { groups, rowsAtOnce, label: `matvec ${matrix.label}` }),
    // Two that make their input lose nothing beside each other, where there are subgroups (docs/performance.md).
    ...(prologue && device.features.shuffleWidth > 1 && { pairBytes: prologueBytes(device, matrix.columns) }),
  };
}

/** Products of two matrices of one part each and one input, in one dispatch. */
export function matvecPairStep(
  device: GpuDevice,
  rowsAtOnce: number,
  [first, second]: readonly [LinearOperands, LinearOperands],
): StepSource {
  const parts = [first.matrix.parts[0]!, second.matrix.parts[0]!] as const;
  const a = productOf(device, rowsAtOnce, first, parts[0]);
  const b = renamed(productOf(device, rowsAtOnce, second, parts[1]));
  const common = shared(device, rowsAtOnce, first, a);
  const types = `${first.matrix.type} and ${second.matrix.type}`;
  const kernel = {
    label: first.prologue ? `matvec ${types} of ${first.prologue.name}` : `matvec ${types}`,
    constants: { ...a.constants, ...b.constants, ...common.constants, FIRST_GROUPS: a.groups },
    parts: [...common.parts, ...a.parts, ...b.parts, pair],
    subgroups: common.subgroups,
  };
  return vectorStep(kernel, [...bindings(first, parts[0]), weightBindings(parts[1])], {
    groups: a.groups + b.groups,
    rowsAtOnce,
    label: `matvec ${first.matrix.label} + ${second.matrix.label}`,
  });
}

/** The same product beside another in one text, its weights in another group. */
function renamed(product: Product): Product {
  const text = renameDeclared(product.parts.join('\n'), '_2', Object.keys(product.constants));
  return {
    ...product,
    constants: Object.fromEntries(Object.entries(product.constants).map(([name, value]) => [`${name}_2`, value])),
    parts: [text.replaceAll('@group(1)', '@group(2)')],
  };
}

/** A step of matvec's shape: outputs over x and y, blocks of rows over z. */
export function vectorStep(
  kernel: KernelSource,
  groups: Bindings[],
  step: { groups: number; rowsAtOnce: number; label: string },
): StepSource {
  // A dispatch dimension ends at 65,535: the kernel folds y into x.
  const width = Math.min(step.groups, 32768);
  const height = Math.ceil(step.groups / width);
  return {
    kernel,
    groups,
    size: ({ rows }) => [width, height, Math.ceil(rows / step.rowsAtOnce)],
    label: step.label,
  };
}
