import type { BatchBuffers } from './buffers.ts';
import { type LayerWeights, type NormWeights, normPair, normStride } from './gemma3-weights.ts';
import type { Binding } from './kernel.ts';
import { madd } from './kernels/madd/madd.ts';
import arrangedText from './kernels/matvec/arranged.wgsl?raw';
import naiveNormText from './kernels/norm/norm.wgsl?raw';
import normRowText from './kernels/norm/norm_row.wgsl?raw';
import normRowsText from './kernels/norm/norm_rows.wgsl?raw';
import normedInputText from './kernels/norm/normed_input.wgsl?raw';
import type { WeightMatrix } from './kernels/weights/weights.ts';
import { matmulSplits } from './linear.ts';
import { type InputPrologue, PROLOGUE_WORKGROUP, type RowClass, rowsTogether } from './linear-operands.ts';
import { fuses, isArranged, type PlanContext, subgroupConstants, workgroupSum } from './plan-context.ts';
import type { StepSize, StepSource } from './plan-step.ts';
import rowsText from './rows.wgsl?raw';

/* The norms on the residual stream: where each stands, and its step or its place in the kernel that reads it. */

/** A norm on the residual stream: of what it reads, which branch it adds first, where the sum goes, and its weights. */
export interface NormSite extends NormWeights {
  from: Binding;
  /** Columns of the matrix that made the branch. */
  branchColumns: number;
  to: Binding;
}

/** Where the residual stream stands before and after each layer's two norms that add a branch. */
export type Streams = [even: Binding, odd: Binding];

/** The naive kernel adds in place. */
export function residualStreams({ device, buffers }: PlanContext): Streams {
  return [buffers.residual, device.features.naive ? buffers.residual : buffers.otherResidual];
}

/** A layer's first norm adds the branch of the layer before, which takes turns with its second. */
export function inputNorm({ config, weights }: PlanContext, index: number, [even, odd]: Streams): NormSite {
  const { inputNorm } = weights.layers[index]!;
  const branchColumns = config.feedForwardSize;
  const [from, to] = index === 0 ? [even, odd] : [odd, even];
  return { from, to, branchColumns, ...inputNorm };
}

export function feedForwardNorm({ config }: PlanContext, layer: LayerWeights, [even, odd]: Streams): NormSite {
  return { from: even, to: odd, branchColumns: config.headCount * config.headDim, ...layer.feedForwardNorm };
}

export function finalNorm({ config, weights }: PlanContext, [even, odd]: Streams): NormSite {
  return { from: odd, to: even, branchColumns: config.feedForwardSize, ...weights.outputNorm };
}

/**
 * Whether a matvec over the residual stream norms its input itself: for one generated row, where the kernel's bindings and workgroup
 * memory suffice.
 */
export function fusesNorm(context: PlanContext, rowClass: RowClass, matrices: WeightMatrix[]): boolean {
  const bindings = 5 + Math.max(...matrices.map((matrix) => matrix.parts[0]!.ranges.length));
  return fuses(context, rowClass, bindings, context.config.hiddenSize);
}

export function fusesHeadNorm(context: PlanContext, rowClass: RowClass): boolean {
  const { maxStorageBuffersPerShaderStage: storageBuffers } = context.device.device.limits;
  return fusesNorm({ ...context, storageBuffers }, rowClass, [context.weights.head]);
}

/** `normed` of a site, and the residual stream behind it. */
export function norm(context: PlanContext, rowClass: RowClass, batch: BatchBuffers, site: NormSite): StepSource[] {
  const { device, buffers } = context;
  const { from, branchNorm, to, weights } = site;
  const label = branchNorm ? 'add norm' : 'norm';
  const size: StepSize = ({ rows }) => [rows, 1, 1];
  if (device.features.naive) {
    const kernel = {
      label,
      // A barrier is dear on a CPU, where a workgroup's invocations run one after another.
      constants: { ...naiveNormConstants(context, site), WORKGROUP: 16 },
      parts: [naiveNormText],
    };
    const bindings = [buffers.residual, buffers.branch, branchNorm ?? weights, weights, buffers.normed];
    return [{ kernel, groups: [bindings], size }];
  }
  const subgroups = device.features.shuffleWidth > 1;
  const kernel = {
    label,
    constants: {
      ...normConstants(context, rowClass, site),
      WORKGROUP: PROLOGUE_WORKGROUP,
      ARRANGED: isArranged(device, rowClass) ? 1 : 0,
      ROWS: rowClass.kind === 'generated' ? rowsTogether(rowClass.rows) : 1,
    },
    parts: [rowsText, madd(device), workgroupSum(device), arrangedText, normRowText, normRowsText],
    subgroups,
  };
  const norms = branchNorm ? normPair(branchNorm) : weights;
  const bindings = [batch.batch, from, buffers.branch, norms, to, buffers.normed];
  return [{ kernel, groups: [bindings], size }];
}

function naiveNormConstants({ config }: PlanContext, { branchNorm }: NormSite): Record<string, number> {
  return { COLUMNS: config.hiddenSize, ADD: branchNorm ? 1 : 0, F_EPSILON: config.rmsNormEpsilon };
}

function normConstants(context: PlanContext, { kind }: RowClass, site: NormSite): Record<string, number> {
  const { device, config } = context;
  return {
    ...naiveNormConstants(context, site),
    BRANCHES: kind === 'prompt' ? matmulSplits(site.branchColumns) : 1,
    NORM_STRIDE: normStride(config.hiddenSize) / 16,
    QUAD_STEPS: Math.ceil(config.hiddenSize / 4 / PROLOGUE_WORKGROUP),
    ...subgroupConstants(device),
  };
}

/** The same norm in the kernel that reads it. */
export function normPrologue(context: PlanContext, rowClass: RowClass, site: NormSite): InputPrologue {
  const { branchNorm, to, weights } = site;
  return {
    name: branchNorm ? 'added norm' : 'norm',
    constants: normConstants(context, rowClass, site),
    parts: [workgroupSum(context.device), normRowText, normedInputText],
    bindings: [context.buffers.branch, branchNorm ? normPair(branchNorm) : weights, to],
  };
}
