import { type Gemma3Config, isGlobalLayer } from '../model/config.ts';
import type { BatchBuffers, ModelBuffers } from './buffers.ts';
import { COPY_DST, type GpuDevice, UNIFORM } from './device.ts';
import { type Gemma3Weights, type LayerWeights, normPair, normStride } from './gemma3-weights.ts';
import { type Bindings, Kernel } from './kernel.ts';
import attentionText from './kernels/attention/attention.wgsl?raw';
import blocksText from './kernels/attention/blocks.wgsl?raw';
import extentText from './kernels/attention/extent.wgsl?raw';
import joinRowsText from './kernels/attention/join_rows.wgsl?raw';
import joinedText from './kernels/attention/joined.wgsl?raw';
import joinedInputText from './kernels/attention/joined_input.wgsl?raw';
import reduceText from './kernels/attention/reduce.wgsl?raw';
import { attentionSplits, BLOCKS_PER_SPLIT, decodeSplits, keyLanes } from './kernels/attention/splits.ts';
import embedText from './kernels/embed/embed.wgsl?raw';
import gelu from './kernels/gelu/gelu.wgsl?raw';
import geluMul from './kernels/gelu/gelu_mul.wgsl?raw';
import { madd } from './kernels/madd/madd.ts';
import arrangedText from './kernels/matvec/arranged.wgsl?raw';
import teamSumSubgroups from './kernels/matvec/sum_subgroups.wgsl?raw';
import teamSumWorkgroup from './kernels/matvec/sum_workgroup.wgsl?raw';
import naiveNormText from './kernels/norm/norm.wgsl?raw';
import normRowText from './kernels/norm/norm_row.wgsl?raw';
import normRowsText from './kernels/norm/norm_rows.wgsl?raw';
import normedInputText from './kernels/norm/normed_input.wgsl?raw';
import sumSubgroups from './kernels/norm/sum_subgroups.wgsl?raw';
import sumWorkgroup from './kernels/norm/sum_workgroup.wgsl?raw';
import cacheText from './kernels/rope/cache.wgsl?raw';
import ropeText from './kernels/rope/rope.wgsl?raw';
import { type WeightMatrix, weightBindings, weightText } from './kernels/weights/weights.ts';
import { BLOCK_POSITIONS, type KvCache } from './kv-cache.ts';
import {
  canGate,
  type InputPrologue,
  linear,
  matmulSplits,
  PROLOGUE_WORKGROUP,
  type RowClass,
  rowsTogether,
} from './linear.ts';
import type { BatchShape, PlanStep } from './plan-step.ts';
import rowsText from './rows.wgsl?raw';

export interface PlanContext {
  device: GpuDevice;
  config: Gemma3Config;
  weights: Gemma3Weights;
  cache: KvCache;
  buffers: ModelBuffers;
  contextTokens: number;
}

/** The steps from tokens to the final norm (of a single generated row: to what `headPlan` norms itself): the one compute path. */
export async function layerPlan(context: PlanContext, rowClass: RowClass, batch: BatchBuffers): Promise<PlanStep[]> {
  const { weights } = context;
  const streams = residualStreams(context);
  const steps = await Promise.all([
    embed(context, batch),
    ...weights.layers.map((layer, index) => layerSteps(context, rowClass, batch, layer, index, streams)),
  ]);
  if (fusesHeadNorm(context, rowClass)) return steps.flat();
  return [...steps.flat(), ...(await norm(context, rowClass, batch, finalNorm(context, streams)))];
}

/** The logits of the batch's rows from its head row on, which for a prompt is its last: [8][vocabulary]. */
export async function headPlan(context: PlanContext, rowClass: RowClass, batch: BatchBuffers): Promise<PlanStep[]> {
  const { device, weights, buffers, config } = context;
  const rows = rowClass.kind === 'prompt' ? 1 : rowClass.rows;
  const fused = fusesHeadNorm(context, rowClass);
  const last = finalNorm(context, residualStreams(context));
  const steps = await linear(
    device,
    { kind: 'generated', rows },
    {
      matrix: weights.head,
      batch: batch.batch,
      input: fused ? last.from : buffers.normed,
      output: buffers.logits,
      outputStride: config.vocabularySize,
      fromHeadRow: true,
      arranged: isArranged(device, rowClass),
      ...(fused && { prologue: normPrologue(context, rowClass, last) }),
    },
  );
  if (rowClass.kind === 'generated') return steps;
  return steps.map(({ dispatch, size }) => ({ dispatch, size: (shape) => size({ ...shape, rows: 1 }) }));
}

/** Whether vectors between kernels stand as matvec reads them best (matvec/arranged.wgsl). */
function isArranged(device: GpuDevice, rowClass: RowClass): boolean {
  return rowClass.kind === 'generated' && !device.features.naive;
}

/** A norm on the residual stream: of what it reads, which branch it adds first, where the sum goes, and its weights. */
interface NormSite {
  from: GPUBuffer;
  /** The norm of the branch that is added before, which stands right before `weights` in their buffer. */
  branchNorm?: GPUBufferBinding;
  /** Columns of the matrix that made the branch. */
  branchColumns: number;
  to: GPUBuffer;
  weights: GPUBufferBinding;
}

/** Where the residual stream stands before and after each layer's two norms that add a branch; the naive kernel adds in place. */
function residualStreams({ device, buffers }: PlanContext): [GPUBuffer, GPUBuffer] {
  return [buffers.residual, device.features.naive ? buffers.residual : buffers.otherResidual];
}

/** A layer's first norm adds the branch of the layer before, which takes turns with its second. */
function inputNorm({ config, weights }: PlanContext, index: number, [even, odd]: [GPUBuffer, GPUBuffer]): NormSite {
  const before = weights.layers[index - 1];
  const { inputNorm } = weights.layers[index]!;
  const branchColumns = config.feedForwardSize;
  if (!before) return { from: even, branchColumns, to: odd, weights: inputNorm };
  return { from: odd, branchNorm: before.postFeedForwardNorm, branchColumns, to: even, weights: inputNorm };
}

function feedForwardNorm({ config }: PlanContext, layer: LayerWeights, [even, odd]: [GPUBuffer, GPUBuffer]): NormSite {
  const { postAttentionNorm: branchNorm, preFeedForwardNorm: weights } = layer;
  return { from: even, branchNorm, branchColumns: config.headCount * config.headDim, to: odd, weights };
}

function finalNorm({ config, weights }: PlanContext, [even, odd]: [GPUBuffer, GPUBuffer]): NormSite {
  const branchNorm = weights.layers.at(-1)!.postFeedForwardNorm;
  return { from: odd, branchNorm, branchColumns: config.feedForwardSize, to: even, weights: weights.outputNorm };
}

/**
 * Whether a matvec over the residual stream norms its input itself: for one generated row, where the kernel's bindings and workgroup
 * memory suffice.
 */
function fusesNorm({ device, config }: PlanContext, rowClass: RowClass, matrices: WeightMatrix[]): boolean {
  const bindings = 5 + Math.max(...matrices.map((matrix) => matrix.parts[0]!.ranges.length));
  return fuses(device, rowClass, bindings, config.hiddenSize);
}

function fusesHeadNorm(context: PlanContext, rowClass: RowClass): boolean {
  return fusesNorm(context, rowClass, [context.weights.head]);
}

function fuses(device: GpuDevice, rowClass: RowClass, storageBuffers: number, columns: number): boolean {
  const { maxStorageBuffersPerShaderStage, maxComputeWorkgroupStorageSize } = device.device.limits;
  return (
    rowClass.kind === 'generated' &&
    rowClass.rows === 1 &&
    !device.features.naive &&
    storageBuffers <= maxStorageBuffersPerShaderStage &&
    // The input, and what sums go through.
    columns * 4 + PROLOGUE_WORKGROUP * 16 <= maxComputeWorkgroupStorageSize
  );
}

async function layerSteps(
  context: PlanContext,
  rowClass: RowClass,
  batch: BatchBuffers,
  layer: LayerWeights,
  index: number,
  streams: [GPUBuffer, GPUBuffer],
): Promise<PlanStep[]> {
  const { device, config, buffers } = context;
  const { headCount, kvHeadCount, headDim } = config;
  const qkvWidth = (headCount + 2 * kvHeadCount) * headDim;
  const first = inputNorm(context, index, streams);
  const fused = fusesNorm(
    context,
    rowClass,
    layer.qkv.map(({ matrix }) => matrix),
  );
  const steps = await Promise.all([
    fused ? [] : norm(context, rowClass, batch, first),
    ...layer.qkv.map(({ matrix, firstOutput }) =>
      linear(device, rowClass, {
        matrix,
        batch: batch.batch,
        input: fused ? first.from : buffers.normed,
        output: buffers.qkv,
        outputOffset: firstOutput,
        outputStride: qkvWidth,
        arranged: isArranged(device, rowClass),
        ...(fused && { prologue: normPrologue(context, rowClass, first) }),
      }),
    ),
    attention(context, rowClass, batch, layer, index),
    feedForward(context, rowClass, batch, layer, feedForwardNorm(context, layer, streams)),
  ]);
  return steps.flat();
}

async function embed(context: PlanContext, batch: BatchBuffers): Promise<PlanStep[]> {
  const { device, config, weights, buffers, contextTokens } = context;
  const { embedding } = weights;
  const kernel = await Kernel.compile(device, {
    label: 'embed',
    constants: { COLUMNS: config.hiddenSize, CONTEXT: contextTokens, F_EMBEDDING_SCALE: Math.sqrt(config.hiddenSize) },
    parts: [rowsText, weightText(embedding.type), embedText],
  });
  return embedding.parts.map((part) => {
    const params = uniform(device, [part.firstRow, part.rows, 0, 0]);
    const bindings = [batch.batch, params, buffers.slots, batch.rows, buffers.history, buffers.residual];
    return { dispatch: kernel.bind([bindings, weightBindings(part)], [1]), size: ({ rows }) => [rows, 1, 1] };
  });
}

/** `normed` of a site, and the residual stream behind it. */
async function norm(
  context: PlanContext,
  rowClass: RowClass,
  batch: BatchBuffers,
  site: NormSite,
): Promise<PlanStep[]> {
  const { device, buffers } = context;
  const { from, branchNorm, to, weights } = site;
  const label = branchNorm ? 'add norm' : 'norm';
  const size: PlanStep['size'] = ({ rows }) => [rows, 1, 1];
  if (device.features.naive) {
    const kernel = await Kernel.compile(device, {
      label,
      // A barrier is dear on a CPU, where a workgroup's invocations run one after another.
      constants: { ...naiveNormConstants(context, site), WORKGROUP: 16 },
      parts: [naiveNormText],
    });
    const bindings = [buffers.residual, buffers.branch, branchNorm ?? weights, weights, buffers.normed];
    return [{ dispatch: kernel.bind([bindings], [1]), size }];
  }
  const subgroups = device.features.shuffleWidth > 1;
  const kernel = await Kernel.compile(device, {
    label,
    constants: {
      ...normConstants(context, rowClass, site),
      WORKGROUP: PROLOGUE_WORKGROUP,
      ARRANGED: isArranged(device, rowClass) ? 1 : 0,
      ROWS: rowClass.kind === 'generated' ? rowsTogether(rowClass.rows) : 1,
    },
    parts: [rowsText, madd(device), workgroupSum(device), arrangedText, normRowText, normRowsText],
    subgroups,
  });
  const norms = branchNorm ? normPair(branchNorm) : weights;
  const bindings = [batch.batch, from, buffers.branch, norms, to, buffers.normed];
  return [{ dispatch: kernel.bind([bindings], [1]), size }];
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
    ...subgroupConstants(device),
  };
}

/** The same norm in the kernel that reads it. */
function normPrologue(context: PlanContext, rowClass: RowClass, site: NormSite): InputPrologue {
  const { branchNorm, to, weights } = site;
  return {
    name: branchNorm ? 'added norm' : 'norm',
    constants: normConstants(context, rowClass, site),
    parts: [workgroupSum(context.device), normRowText, normedInputText],
    bindings: [context.buffers.branch, branchNorm ? normPair(branchNorm) : weights, to],
  };
}

function subgroupConstants({ features }: GpuDevice): Record<string, number> {
  return features.shuffleWidth > 1 ? { SHUFFLE: features.shuffleWidth } : {};
}

function workgroupSum({ features }: GpuDevice): string {
  return features.shuffleWidth > 1 ? sumSubgroups : sumWorkgroup;
}

async function rope(
  context: PlanContext,
  batch: BatchBuffers,
  layer: LayerWeights,
  index: number,
): Promise<PlanStep[]> {
  const { device, config, buffers, cache } = context;
  const { headCount, kvHeadCount, headDim } = config;
  const { keys, values, table, tableLength } = cache.layer(index);
  const kernel = await Kernel.compile(device, {
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
  });
  const angles = isGlobalLayer(config, index) ? buffers.globalAngles : buffers.localAngles;
  const bindings = [batch.rows, buffers.qkv, layer.qNorm, layer.kNorm, angles, table, keys, values];
  const heads = headCount + 2 * kvHeadCount;
  return [{ dispatch: kernel.bind([bindings], [heads]), size: ({ rows }) => [heads, rows, 1] }];
}

/** From q, k and v to the branch that the residual stream takes. */
async function attention(
  context: PlanContext,
  rowClass: RowClass,
  batch: BatchBuffers,
  layer: LayerWeights,
  index: number,
): Promise<PlanStep[]> {
  const { device, config, buffers } = context;
  const matrix = layer.attentionOutput;
  const fused = fuses(device, rowClass, 3 + matrix.parts[0]!.ranges.length, matrix.columns);
  const decodes = rowClass.kind === 'generated' && !device.features.naive;
  const join = decodes ? joinConstants(context, index) : {};
  const steps = await Promise.all([
    decodes ? [] : rope(context, batch, layer, index),
    device.features.naive
      ? naiveAttention(context, rowClass, batch, index)
      : blockAttention(context, rowClass, batch, layer, index),
    decodes && !fused ? joinRows(context, rowClass.rows, batch, join) : [],
    linear(device, rowClass, {
      matrix,
      batch: batch.batch,
      input: fused ? buffers.partials : buffers.attention,
      output: buffers.branch,
      outputStride: config.hiddenSize,
      splits: matmulSplits(matrix.columns),
      arranged: decodes,
      ...(fused && {
        prologue: {
          name: 'attention',
          constants: join,
          parts: [cacheText, extentText, joinedText, joinedInputText],
          bindings: [batch.rows],
        },
      }),
    }),
  ]);
  return steps.flat();
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
async function blockAttention(
  context: PlanContext,
  rowClass: RowClass,
  batch: BatchBuffers,
  layer: LayerWeights,
  index: number,
): Promise<PlanStep[]> {
  const { device, config, buffers, cache } = context;
  const { headCount, kvHeadCount, headDim } = config;
  const { keys, values, table } = cache.layer(index);
  const generated = rowClass.kind === 'generated';
  const join = joinConstants(context, index);
  const splits = generated ? join.SPLITS! : 1;
  const subgroups = device.features.shuffleWidth > 1;
  const kernel = await Kernel.compile(device, {
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
  });
  const angles = isGlobalLayer(config, index) ? buffers.globalAngles : buffers.localAngles;
  const output = generated ? buffers.partials : buffers.attention;
  const bindings = [batch.rows, buffers.qkv, normPair(layer.qNorm), angles, table, keys, values, output];
  const size = ({ rows, positions }: BatchShape): [number, number, number] => [
    headCount,
    rows,
    Math.min(splits, Math.ceil(positions / BLOCK_POSITIONS)),
  ];
  return [{ dispatch: kernel.bind([bindings], [headCount]), size }];
}

/** Joins the splits of several generated rows. */
async function joinRows(
  { device, config, buffers }: PlanContext,
  rows: number,
  batch: BatchBuffers,
  constants: Record<string, number>,
): Promise<PlanStep[]> {
  const parts = [rowsText, madd(device), cacheText, extentText, joinedText, arrangedText, joinRowsText];
  const kernel = await Kernel.compile(device, {
    label: 'attention join',
    constants: { ...constants, ROWS: rowsTogether(rows) },
    parts,
  });
  const groups = Math.ceil((config.headCount * config.headDim) / 256);
  const dispatch = kernel.bind([[batch.rows, buffers.partials, buffers.attention]], [groups]);
  return [{ dispatch, size: ({ rows }) => [groups, rows, 1] }];
}

async function naiveAttention(
  context: PlanContext,
  rowClass: RowClass,
  batch: BatchBuffers,
  index: number,
): Promise<PlanStep[]> {
  const { device, config, buffers, cache, contextTokens } = context;
  const { headCount, kvHeadCount, headDim } = config;
  const { keys, values, table, tableLength } = cache.layer(index);
  const splits = attentionSplits(config, index, contextTokens);
  const window = isGlobalLayer(config, index) ? 0 : config.slidingWindow;
  const split = rowClass.kind === 'generated';
  const shared = { HEADS: headCount, HEAD_DIM: headDim, WINDOW: window, SPLITS: splits, TABLE_LENGTH: tableLength };
  const kernel = await Kernel.compile(device, {
    label: 'attention',
    constants: { ...shared, KV_HEADS: kvHeadCount, BLOCKS_PER_SPLIT: split ? BLOCKS_PER_SPLIT : 0 },
    parts: [rowsText, madd(device), cacheText, attentionText],
  });
  const output = split ? buffers.partials : buffers.attention;
  const bindings: Bindings = [batch.rows, buffers.qkv, table, keys, values, output];
  const dispatch = kernel.bind([bindings], [headCount]);
  if (!split) return [{ dispatch, size: ({ rows }) => [headCount, rows, 1] }];

  const reduceKernel = await Kernel.compile(device, {
    label: 'attention reduce',
    constants: { ...shared, BLOCKS_PER_SPLIT },
    parts: [rowsText, madd(device), cacheText, reduceText],
  });
  const splitCount = ({ positions }: BatchShape) =>
    Math.min(splits, Math.ceil(positions / BLOCK_POSITIONS / BLOCKS_PER_SPLIT));
  return [
    { dispatch, size: (shape) => [headCount, shape.rows, splitCount(shape)] },
    {
      dispatch: reduceKernel.bind([[batch.rows, buffers.partials, buffers.attention]], [headCount]),
      size: ({ rows }) => [headCount, rows, 1],
    },
  ];
}

async function feedForward(
  context: PlanContext,
  rowClass: RowClass,
  batch: BatchBuffers,
  layer: LayerWeights,
  site: NormSite,
): Promise<PlanStep[]> {
  const { device, config, buffers } = context;
  const { feedForwardSize, hiddenSize } = config;
  const gated = layer.gateUp.length === 1 && canGate(layer.gateUp[0]!);
  const fused = fusesNorm(context, rowClass, layer.gateUp);
  const before = fused ? [] : await norm(context, rowClass, batch, site);
  const input = fused
    ? { batch: batch.batch, input: site.from, prologue: normPrologue(context, rowClass, site) }
    : { batch: batch.batch, input: buffers.normed, arranged: isArranged(device, rowClass) };
  const down = linear(device, rowClass, {
    matrix: layer.down,
    batch: batch.batch,
    input: buffers.gated,
    output: buffers.branch,
    outputStride: hiddenSize,
    splits: matmulSplits(feedForwardSize),
    arranged: gated && isArranged(device, rowClass),
  });
  if (gated) {
    const outputArranged = isArranged(device, rowClass);
    const output = { output: buffers.gated, outputStride: feedForwardSize, gated, outputArranged };
    return [
      ...before,
      ...(await linear(device, rowClass, { matrix: layer.gateUp[0]!, ...input, ...output })),
      ...(await down),
    ];
  }
  let outputOffset = 0;
  const halves = layer.gateUp.map((matrix) => {
    const output = { output: buffers.gateUp, outputOffset, outputStride: 2 * feedForwardSize };
    outputOffset += matrix.rows;
    return linear(device, rowClass, { matrix, ...input, ...output });
  });
  const kernel = await Kernel.compile(device, { label: 'gelu mul', parts: [gelu, geluMul] });
  const params = uniform(device, [feedForwardSize, 0, 0, 0]);
  const groups = Math.ceil(feedForwardSize / 256);
  const multiply: PlanStep = {
    dispatch: kernel.bind([[params, buffers.gateUp, buffers.gated]], [groups]),
    size: ({ rows }) => [groups, rows, 1],
  };
  return [...before, ...(await Promise.all(halves)).flat(), multiply, ...(await down)];
}

function uniform(device: GpuDevice, words: number[]): GPUBuffer {
  const buffer = device.createBuffer('params', words.length * 4, UNIFORM | COPY_DST);
  device.device.queue.writeBuffer(buffer, 0, new Uint32Array(words));
  return buffer;
}
