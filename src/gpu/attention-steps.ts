import { isGlobalLayer } from '../model/config.ts';
import type { BatchBuffers } from './buffers.ts';
import { type LayerWeights, normPair, normStride } from './gemma3-weights.ts';
import type { Bindings } from './kernel.ts';
import attentionText from './kernels/attention/attention.wgsl?raw';
import blocksText from './kernels/attention/blocks.wgsl?raw';
import extentText from './kernels/attention/extent.wgsl?raw';
import joinRowsText from './kernels/attention/join_rows.wgsl?raw';
import joinedText from './kernels/attention/joined.wgsl?raw';
import joinedInputText from './kernels/attention/joined_input.wgsl?raw';
import reduceText from './kernels/attention/reduce.wgsl?raw';
import { attentionSplits, BLOCKS_PER_SPLIT, decodeSplits, keyLanes } from './kernels/attention/splits.ts';
import { madd } from './kernels/madd/madd.ts';
import arrangedText from './kernels/matvec/arranged.wgsl?raw';
import teamSumSubgroups from './kernels/matvec/sum_subgroups.wgsl?raw';
import teamSumWorkgroup from './kernels/matvec/sum_workgroup.wgsl?raw';
import cacheText from './kernels/rope/cache.wgsl?raw';
import ropeText from './kernels/rope/rope.wgsl?raw';
import type { WeightMatrix } from './kernels/weights/weights.ts';
import { linear, matmulSplits } from './linear.ts';
import { type InputPrologue, PROLOGUE_WORKGROUP, type RowClass, rowsTogether } from './linear-operands.ts';
import { fuses, type PlanContext, subgroupConstants, workgroupSum } from './plan-context.ts';
import type { BatchShape, StepSource } from './plan-step.ts';
import rowsText from './rows.wgsl?raw';

function rope(context: PlanContext, batch: BatchBuffers, layer: LayerWeights, index: number): StepSource[] {
  const { device, config, buffers, cache } = context;
  const { headCount, kvHeadCount, headDim } = config;
  const { keys, values, table, tableLength, angles } = cache.layer(index);
  const kernel = {
    label: 'rope',
    constants: {
      HEADS: headCount,
      KV_HEADS: kvHeadCount,
      HEAD_DIM: headDim,
      WORKGROUP: device.features.naive ? 8 : Math.min(256, 2 ** Math.floor(Math.log2(headDim / 2))),
      TABLE_LENGTH: tableLength,
      F_EPSILON: config.rmsNormEpsilon,
      F_QUERY_SCALE: config.queryScale,
    },
    parts: [rowsText, madd(device), cacheText, ropeText],
  };
  const bindings = [batch.rows, buffers.qkv, layer.qNorm, layer.kNorm, angles, table, keys, values];
  const heads = headCount + 2 * kvHeadCount;
  return [{ kernel, groups: [bindings], size: ({ rows }) => [heads, rows, 1] }];
}

/** Whether the output projection joins the splits itself. */
export function fusesJoin(context: PlanContext, rowClass: RowClass, matrix: WeightMatrix): boolean {
  return fuses(context, rowClass, 3 + matrix.parts[0]!.ranges.length, matrix.columns);
}

/** From q, k and v to the branch that the residual stream takes. */
export function attention(
  context: PlanContext,
  rowClass: RowClass,
  batch: BatchBuffers,
  layer: LayerWeights,
  index: number,
): StepSource[] {
  const { device, config, buffers } = context;
  const matrix = layer.attentionOutput;
  const fused = fusesJoin(context, rowClass, matrix);
  const decodes = rowClass.kind === 'generated' && !device.features.naive;
  const join = decodes ? joinConstants(context, index) : {};
  return [
    ...(decodes ? [] : rope(context, batch, layer, index)),
    ...(device.features.naive
      ? naiveAttention(context, rowClass, batch, index)
      : blockAttention(context, rowClass, batch, layer, index)),
    ...(decodes && !fused ? joinRows(context, rowClass.rows, batch, join) : []),
    ...linear(device, rowClass, {
      matrix,
      batch: batch.batch,
      input: fused ? buffers.partials : buffers.attention,
      output: buffers.branch,
      outputStride: config.hiddenSize,
      splits: matmulSplits(matrix.columns),
      arranged: decodes,
      ...(fused && { prologue: joinPrologue(batch, join) }),
    }),
  ];
}

/** The splits of a generated row's attention, joined where its output is projected. */
export function joinPrologue({ rows }: Pick<BatchBuffers, 'rows'>, constants: Record<string, number>): InputPrologue {
  return {
    name: 'attention',
    constants,
    parts: [cacheText, extentText, joinedText, joinedInputText],
    bindings: [rows],
  };
}

function joinConstants({ config, contextTokens, cache }: PlanContext, index: number): Record<string, number> {
  return {
    HEADS: config.headCount,
    HEAD_DIM: config.headDim,
    WINDOW: isGlobalLayer(config, index) ? 0 : config.slidingWindow,
    SPLITS: decodeSplits(config, index, contextTokens),
    TABLE_LENGTH: cache.layer(index).tableLength,
  };
}

/** Attention of prompt rows behind rope; the splits of generated rows' attention, from q, k and v as they were projected. */
function blockAttention(
  context: PlanContext,
  rowClass: RowClass,
  batch: BatchBuffers,
  layer: LayerWeights,
  index: number,
): StepSource[] {
  const { device, config, buffers, cache } = context;
  const { headCount, kvHeadCount, headDim } = config;
  const { keys, values, table, angles } = cache.layer(index);
  const generated = rowClass.kind === 'generated';
  const join = joinConstants(context, index);
  const splits = generated ? join.SPLITS! : 1;
  const subgroups = device.features.shuffleWidth > 1;
  const kernel = {
    label: 'attention',
    constants: {
      ...join,
      SPLITS: splits,
      GENERATED: generated ? 1 : 0,
      KV_HEADS: kvHeadCount,
      NORM_STRIDE: normStride(headDim) / 4,
      LANES: keyLanes(headDim),
      WORKGROUP: PROLOGUE_WORKGROUP,
      F_EPSILON: config.rmsNormEpsilon,
      F_QUERY_SCALE: config.queryScale,
      ...subgroupConstants(device),
    },
    parts: [
      rowsText,
      madd(device),
      cacheText,
      workgroupSum(device),
      subgroups ? teamSumSubgroups : teamSumWorkgroup,
      extentText,
      blocksText,
    ],
    subgroups,
  };
  const output = generated ? buffers.partials : buffers.attention;
  const bindings = [batch.rows, buffers.qkv, normPair(layer.qNorm), angles, table, keys, values, output];
  const size = ({ rows, blocks }: BatchShape): [number, number, number] => [headCount, rows, Math.min(splits, blocks)];
  return [{ kernel, groups: [bindings], size }];
}

/** Joins the splits of several generated rows. */
function joinRows(
  { device, config, buffers }: PlanContext,
  rows: number,
  batch: BatchBuffers,
  constants: Record<string, number>,
): StepSource[] {
  const parts = [rowsText, madd(device), cacheText, extentText, joinedText, arrangedText, joinRowsText];
  const kernel = {
    label: 'attention join',
    constants: { ...constants, ROWS: rowsTogether(rows) },
    parts,
  };
  const groups = Math.ceil((config.headCount * config.headDim) / 256);
  const bindings = [batch.rows, buffers.partials, buffers.attention];
  return [{ kernel, groups: [bindings], size: ({ rows }) => [groups, rows, 1] }];
}

function naiveAttention(context: PlanContext, rowClass: RowClass, batch: BatchBuffers, index: number): StepSource[] {
  const { device, config, buffers, cache, contextTokens } = context;
  const { headCount, kvHeadCount, headDim } = config;
  const { keys, values, table, tableLength } = cache.layer(index);
  const splits = attentionSplits(config, index, contextTokens);
  const window = isGlobalLayer(config, index) ? 0 : config.slidingWindow;
  const split = rowClass.kind === 'generated';
  const shared = { HEADS: headCount, HEAD_DIM: headDim, WINDOW: window, SPLITS: splits, TABLE_LENGTH: tableLength };
  const kernel = {
    label: 'attention',
    constants: { ...shared, KV_HEADS: kvHeadCount, BLOCKS_PER_SPLIT: split ? BLOCKS_PER_SPLIT : 0 },
    parts: [rowsText, madd(device), cacheText, attentionText],
  };
  const output = split ? buffers.partials : buffers.attention;
  const bindings: Bindings = [batch.rows, buffers.qkv, table, keys, values, output];
  if (!split) return [{ kernel, groups: [bindings], size: ({ rows }) => [headCount, rows, 1] }];

  const reduceKernel = {
    label: 'attention reduce',
    constants: { ...shared, BLOCKS_PER_SPLIT },
    parts: [rowsText, madd(device), cacheText, reduceText],
  };
  const splitCount = ({ blocks }: BatchShape) => Math.min(splits, Math.ceil(blocks / BLOCKS_PER_SPLIT));
  return [
    { kernel, groups: [bindings], size: (shape) => [headCount, shape.rows, splitCount(shape)] },
    {
      kernel: reduceKernel,
      groups: [[batch.rows, buffers.partials, buffers.attention]],
      size: ({ rows }) => [headCount, rows, 1],
    },
  ];
}
