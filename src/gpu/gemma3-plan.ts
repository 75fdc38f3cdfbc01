import { attention } from './attention-steps.ts';
import type { BatchBuffers } from './buffers.ts';
import { COPY_DST, type GpuDevice, UNIFORM } from './device.ts';
import type { LayerWeights } from './gemma3-weights.ts';
import embedText from './kernels/embed/embed.wgsl?raw';
import gelu from './kernels/gelu/gelu.wgsl?raw';
import geluMul from './kernels/gelu/gelu_mul.wgsl?raw';
import { weightBindings, weightText } from './kernels/weights/weights.ts';
import { bindLayer, bindOutputNorm, canShareBindGroups, sharingContext } from './layer-bind-groups.ts';
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
  type Streams,
} from './norm-steps.ts';
import { isArranged, type PlanContext } from './plan-context.ts';
import { type BatchShape, bindEach, type PlanStep, type StepSource } from './plan-step.ts';
import rowsText from './rows.wgsl?raw';

/** What a token generated in each of `rows` sequences takes. */
export async function generatedPlan(context: PlanContext, rows: number): Promise<PlanStep[]> {
  const { device } = context;
  const sharing = sharingContext(context);
  if (rows > 1 || !canShareBindGroups(sharing)) return bindEach(device, generatedSources(context, rows));
  const { embedding, layers, norm, head } = generatedSteps(sharing, rows);
  const steps = await Promise.all([
    bindEach(device, embedding),
    ...layers.map((steps, layer) => bindLayer(sharing, layer, steps)),
    norm.length > 0 ? bindOutputNorm(sharing, norm) : [],
    bindEach(device, head),
  ]);
  return steps.flat();
}

/** The same before it is compiled, with a bind group for each step. */
export function generatedSources(context: PlanContext, rows: number): StepSource[] {
  const { embedding, layers, norm, head } = generatedSteps(context, rows);
  return [...embedding, ...layers.flat(), ...norm, ...head];
}

function generatedSteps(context: PlanContext, rows: number) {
  const rowClass = { kind: 'generated', rows } as const;
  const { generated } = context.buffers;
  return { ...rowSteps(context, rowClass, generated), head: headSteps(context, rowClass, generated) };
}

/** What a chunk of a prompt takes, without the logits of its last row. */
export async function promptPlan(context: PlanContext): Promise<PlanStep[]> {
  const { embedding, layers, norm } = rowSteps(context, { kind: 'prompt' }, context.buffers.prompt);
  return bindEach(context.device, [...embedding, ...layers.flat(), ...norm]);
}

/** The logits of the last row of a prompt's chunk: [1][vocabulary]. */
export async function headPlan(context: PlanContext): Promise<PlanStep[]> {
  const steps = headSteps(context, { kind: 'prompt' }, context.buffers.prompt);
  return bindEach(
    context.device,
    steps.map((step) => ({ ...step, size: (shape: BatchShape) => step.size({ ...shape, rows: 1 }) })),
  );
}

/** The logits of the batch's rows from its head row on, which for a prompt is its last: [8][vocabulary]. */
function headSteps(context: PlanContext, rowClass: RowClass, batch: BatchBuffers): StepSource[] {
  const { device, weights, buffers, config } = context;
  const rows = rowClass.kind === 'prompt' ? 1 : rowClass.rows;
  const fused = fusesHeadNorm(context, rowClass);
  const last = finalNorm(context, residualStreams(context));
  return linear(
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
      // Nothing reads the residual stream after this. Where a row alone has all its activations in one buffer, a step with a bind group of its
      // own may not read and write them, so the sum goes elsewhere.
      ...(fused && { prologue: normPrologue(context, rowClass, { ...last, to: buffers.normed }) }),
    },
  );
}

/** The steps from tokens to the final norm (of a single generated row: to what the head norms itself): the one compute path. */
function rowSteps(context: PlanContext, rowClass: RowClass, batch: BatchBuffers) {
  const streams = residualStreams(context);
  return {
    embedding: embed(context, batch),
    layers: context.weights.layers.map((layer, index) => layerSteps(context, rowClass, batch, layer, index, streams)),
    norm: fusesHeadNorm(context, rowClass) ? [] : norm(context, rowClass, batch, finalNorm(context, streams)),
  };
}

function layerSteps(
  context: PlanContext,
  rowClass: RowClass,
  batch: BatchBuffers,
  layer: LayerWeights,
  index: number,
  streams: Streams,
): StepSource[] {
  const { device, config, buffers } = context;
  const { headCount, kvHeadCount, headDim } = config;
  const qkvWidth = (headCount + 2 * kvHeadCount) * headDim;
  const first = inputNorm(context, index, streams);
  const fused = fusesNorm(
    context,
    rowClass,
    layer.qkv.map(({ matrix }) => matrix),
  );
  return [
    ...(fused ? [] : norm(context, rowClass, batch, first)),
    ...linears(
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
      context.storageBuffers,
    ),
    ...attention(context, rowClass, batch, layer, index),
    ...feedForward(context, rowClass, batch, layer, feedForwardNorm(context, layer, streams)),
  ];
}

function embed(context: PlanContext, batch: BatchBuffers): StepSource[] {
  const { device, config, weights, buffers, contextTokens } = context;
  const { embedding } = weights;
  const kernel = {
    label: 'embed',
    constants: { COLUMNS: config.hiddenSize, CONTEXT: contextTokens, F_EMBEDDING_SCALE: Math.sqrt(config.hiddenSize) },
    parts: [rowsText, weightText(embedding.type), embedText],
  };
  return embedding.parts.map((part) => {
    const params = uniform(device, [part.firstRow, part.rows, 0, 0]);
    const bindings = [batch.batch, params, buffers.slots, batch.rows, buffers.history, buffers.residual];
    return { kernel, groups: [bindings, weightBindings(part)], size: ({ rows }) => [rows, 1, 1] };
  });
}

function feedForward(
  context: PlanContext,
  rowClass: RowClass,
  batch: BatchBuffers,
  layer: LayerWeights,
  site: NormSite,
): StepSource[] {
  const { device, config, buffers } = context;
  const { feedForwardSize, hiddenSize } = config;
  const gated = layer.gateUp.length === 1 && canGate(layer.gateUp[0]!);
  const fused = fusesNorm(context, rowClass, layer.gateUp);
  const before = fused ? [] : norm(context, rowClass, batch, site);
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
    return [...before, ...linear(device, rowClass, { matrix: layer.gateUp[0]!, ...input, ...output }), ...down];
  }
  let outputOffset = 0;
  const halves = layer.gateUp.flatMap((matrix) => {
    const output = { output: buffers.gateUp, outputOffset, outputStride: 2 * feedForwardSize };
    outputOffset += matrix.rows;
    return linear(device, rowClass, { matrix, ...input, ...output });
  });
  const kernel = { label: 'gelu mul', parts: [gelu, geluMul] };
  const params = uniform(device, [feedForwardSize, 0, 0, 0]);
  const groups = Math.ceil(feedForwardSize / 256);
  const multiply: StepSource = {
    kernel,
    groups: [[params, buffers.gateUp, buffers.gated]],
    size: ({ rows }) => [groups, rows, 1],
  };
  return [...before, ...halves, multiply, ...down];
}

function uniform(device: GpuDevice, words: number[]): GPUBuffer {
  const buffer = device.createBuffer('params', words.length * 4, UNIFORM | COPY_DST);
  device.device.queue.writeBuffer(buffer, 0, new Uint32Array(words));
  return buffer;
}
