import { type Gemma3Config, isGlobalLayer } from '../model/config.ts';
import type { BatchBuffers, ModelBuffers } from './buffers.ts';
import { COPY_DST, type GpuDevice, UNIFORM } from './device.ts';
import type { Gemma3Weights, LayerWeights } from './gemma3-weights.ts';
import { type Bindings, Kernel } from './kernel.ts';
import attentionText from './kernels/attention/attention.wgsl?raw';
import reduceText from './kernels/attention/reduce.wgsl?raw';
import { attentionSplits, BLOCKS_PER_SPLIT } from './kernels/attention/splits.ts';
import embedText from './kernels/embed/embed.wgsl?raw';
import gelu from './kernels/gelu/gelu.wgsl?raw';
import geluMul from './kernels/gelu/gelu_mul.wgsl?raw';
import { madd } from './kernels/madd/madd.ts';
import normText from './kernels/norm/norm.wgsl?raw';
import cacheText from './kernels/rope/cache.wgsl?raw';
import ropeText from './kernels/rope/rope.wgsl?raw';
import { weightBindings, weightText } from './kernels/weights/weights.ts';
import { BLOCK_POSITIONS, type KvCache } from './kv-cache.ts';
import { canGate, linear, type RowClass } from './linear.ts';
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

/** The steps from tokens to the final norm, for one class of rows: the one compute path. */
export async function layerPlan(context: PlanContext, rowClass: RowClass, batch: BatchBuffers): Promise<PlanStep[]> {
  const { weights, config } = context;
  const norms = [...weights.layers.map((layer) => layer.inputNorm), weights.outputNorm];
  const steps = await Promise.all([
    embed(context, batch),
    norm(context, undefined, norms[0]!),
    ...weights.layers.map((layer, index) => layerSteps(context, rowClass, batch, layer, index, norms[index + 1]!)),
  ]);
  if (norms.length !== config.layerCount + 1) throw new Error('A plan has one input norm a layer.');
  return steps.flat();
}

/** The logits of the batch's rows from its head row on, which for a prompt is its last: [8][vocabulary]. */
export async function headPlan(context: PlanContext, rowClass: RowClass, batch: BatchBuffers): Promise<PlanStep[]> {
  const { device, weights, buffers, config } = context;
  const rows = rowClass.kind === 'prompt' ? 1 : rowClass.rows;
  const steps = await linear(
    device,
    { kind: 'generated', rows },
    {
      matrix: weights.head,
      batch: batch.batch,
      input: buffers.normed,
      output: buffers.logits,
      outputStride: config.vocabularySize,
      fromHeadRow: true,
    },
  );
  if (rowClass.kind === 'generated') return steps;
  return steps.map(({ dispatch, size }) => ({ dispatch, size: (shape) => size({ ...shape, rows: 1 }) }));
}

async function layerSteps(
  context: PlanContext,
  rowClass: RowClass,
  batch: BatchBuffers,
  layer: LayerWeights,
  index: number,
  nextNorm: GPUBuffer,
): Promise<PlanStep[]> {
  const { device, config, buffers } = context;
  const { hiddenSize, headCount, kvHeadCount, headDim } = config;
  const qkvWidth = (headCount + 2 * kvHeadCount) * headDim;
  const steps = await Promise.all([
    ...layer.qkv.map(({ matrix, firstOutput }) =>
      linear(device, rowClass, {
        matrix,
        batch: batch.batch,
        input: buffers.normed,
        output: buffers.qkv,
        outputOffset: firstOutput,
        outputStride: qkvWidth,
      }),
    ),
    rope(context, batch, layer, index),
    attention(context, rowClass, batch, index),
    linear(device, rowClass, {
      matrix: layer.attentionOutput,
      batch: batch.batch,
      input: buffers.attention,
      output: buffers.branch,
      outputStride: hiddenSize,
    }),
    norm(context, layer.postAttentionNorm, layer.preFeedForwardNorm),
    feedForward(context, rowClass, batch, layer),
    norm(context, layer.postFeedForwardNorm, nextNorm),
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

/** Without `branchNorm`: normed = norm(residual). With it, the branch is normed and added to the residual first. */
async function norm(context: PlanContext, branchNorm: GPUBuffer | undefined, nextNorm: GPUBuffer): Promise<PlanStep[]> {
  const { device, config, buffers } = context;
  const kernel = await Kernel.compile(device, {
    label: branchNorm ? 'add norm' : 'norm',
    constants: {
      COLUMNS: config.hiddenSize,
      ADD: branchNorm ? 1 : 0,
      // A barrier is dear on a CPU, where a workgroup's invocations run one after another.
      WORKGROUP: device.features.naive ? 16 : 256,
      F_EPSILON: config.rmsNormEpsilon,
    },
    parts: [normText],
  });
  const bindings = [buffers.residual, buffers.branch, branchNorm ?? nextNorm, nextNorm, buffers.normed];
  return [{ dispatch: kernel.bind([bindings], [1]), size: ({ rows }) => [rows, 1, 1] }];
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

async function attention(
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
): Promise<PlanStep[]> {
  const { device, config, buffers } = context;
  const { feedForwardSize, hiddenSize } = config;
  const gated = layer.gateUp.length === 1 && canGate(layer.gateUp[0]!);
  const input = { batch: batch.batch, input: buffers.normed };
  const down = linear(device, rowClass, {
    matrix: layer.down,
    batch: batch.batch,
    input: buffers.gated,
    output: buffers.branch,
    outputStride: hiddenSize,
  });
  if (gated) {
    const output = { output: buffers.gated, outputStride: feedForwardSize, gated };
    return [...(await linear(device, rowClass, { matrix: layer.gateUp[0]!, ...input, ...output })), ...(await down)];
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
  return [...(await Promise.all(halves)).flat(), multiply, ...(await down)];
}

function uniform(device: GpuDevice, words: number[]): GPUBuffer {
  const buffer = device.createBuffer('params', words.length * 4, UNIFORM | COPY_DST);
  device.device.queue.writeBuffer(buffer, 0, new Uint32Array(words));
  return buffer;
}
