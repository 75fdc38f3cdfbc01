import { attention } from './attention-steps.ts';
import type { BatchBuffers } from './buffers.ts';
import { COPY_DST, type GpuDevice, UNIFORM } from './device.ts';
import type { LayerWeights } from './gemma3-weights.ts';
import { Kernel } from './kernel.ts';
import embedText from './kernels/embed/embed.wgsl?raw';
import gelu from './kernels/gelu/gelu.wgsl?raw';
import geluMul from './kernels/gelu/gelu_mul.wgsl?raw';
import { weightBindings, weightText } from './kernels/weights/weights.ts';
import { canGate, linear, linears, matmulSplits } from './linear.ts';
import type { RowClass } from './linear-operands.ts';
import {
  feedForwardNorm,
  finalNorm,
  fusesHeadNorm,
  fusesNorm,
  inputNorm,
  type NormSite,
  norm,
  normPrologue,
  residualStreams,
} from './norm-steps.ts';
import { isArranged, type PlanContext } from './plan-context.ts';
import type { PlanStep } from './plan-step.ts';
import rowsText from './rows.wgsl?raw';

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
    linears(
      device,
      rowClass,
      layer.qkv.map(({ matrix, firstOutput }) => ({
        matrix,
        batch: batch.batch,
        input: fused ? first.from : buffers.normed,
        output: buffers.qkv,
        outputOffset: firstOutput,
        outputStride: qkvWidth,
        arranged: isArranged(device, rowClass),
        ...(fused && { prologue: normPrologue(context, rowClass, first) }),
      })),
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
