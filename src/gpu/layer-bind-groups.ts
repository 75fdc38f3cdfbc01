import { fusesJoin } from './attention-steps.ts';
import type { ModelBuffers } from './buffers.ts';
import type { LayerWeights } from './gemma3-weights.ts';
import { boundVariables } from './kernel-text.ts';
import { weightText } from './kernels/weights/weights.ts';
import { canGate } from './linear.ts';
import { fusesNorm } from './norm-steps.ts';
import type { PlanContext } from './plan-context.ts';
import type { PlanStep, StepSource } from './plan-step.ts';
import { bindTogether, type Known, type View } from './shared-bind-group.ts';

/* One generated row: a layer's dispatches share a bind group, which spares the CPU a seventh of its time for a token. */

/** The context of a plan for one row whose layers share their bind groups: the row's activations stand in one buffer. */
export function sharingContext(context: PlanContext): PlanContext {
  const { buffers } = context;
  const activations = { ...buffers, ...buffers.ofOneRow.activations };
  return { ...context, buffers: activations, storageBuffers: Number.POSITIVE_INFINITY };
}

/**
 * Whether such a plan can be: where a layer's weights stand in one buffer, and every product makes its input itself, since the other steps know
 * activations that do not stand there.
 */
export function canShareBindGroups(sharing: PlanContext): boolean {
  const { device, weights, cache } = sharing;
  const rowClass = { kind: 'generated', rows: 1 } as const;
  if (!device.features.sharedBindGroups) return false;
  return weights.layers.every(
    ({ buffer, qkv, attentionOutput, gateUp }, index) =>
      buffer !== undefined &&
      cache.layer(index).places.size! <= device.maxBindingBytes &&
      gateUp.length === 1 &&
      canGate(gateUp[0]!) &&
      fusesNorm(sharing, rowClass, [...qkv.map(({ matrix }) => matrix), ...gateUp]) &&
      fusesJoin(sharing, rowClass, attentionOutput),
  );
}

/** Compiles a layer's steps, which work on the activations of one row, with one bind group. */
export function bindLayer(context: PlanContext, index: number, steps: readonly StepSource[]): Promise<PlanStep[]> {
  const layer = context.weights.layers[index]!;
  return bindTogether(
    context.device,
    `layer ${index}`,
    { views: viewsOf(context, layer, index), known: [batchOfOneRow(context.buffers)] },
    steps,
  );
}

/** The same for the last norm where it is a step: with a bind group of its own it would read the row's activations and write another. */
export function bindOutputNorm(
  { device, weights, buffers }: PlanContext,
  steps: readonly StepSource[],
): Promise<PlanStep[]> {
  const views: View[] = [
    ...activationViews(buffers),
    { binding: weights.outputNorm.weights.buffer, access: 'read', type: 'array<vec4<f32>>' },
    { binding: buffers.normed, access: 'read_write', type: 'array<f32>' },
  ];
  return bindTogether(device, 'output norm', { views, known: [batchOfOneRow(buffers)] }, steps);
}

function viewsOf({ buffers, cache }: PlanContext, layer: LayerWeights, index: number): View[] {
  const { places, keys, values } = cache.layer(index);
  return [
    { binding: places, access: 'read', type: 'array<u32>' },
    ...activationViews(buffers),
    { binding: keys, access: 'read_write', type: 'array<vec4<u32>>' },
    { binding: values, access: 'read_write', type: 'array<vec2<u32>>' },
    ...weightViews(layer),
  ];
}

/** As the matrices' vectors are read. Norms and single words are found through either view, in less time than one more would take. */
function weightViews({ buffer, qkv, attentionOutput, gateUp, down }: LayerWeights): View[] {
  const matrices = [...qkv.map(({ matrix }) => matrix), attentionOutput, ...gateUp, down];
  const read = matrices.flatMap(({ type }) => boundVariables(weightText(type)).map((variable) => variable.type));
  const types = ['array<vec2<u32>>', 'array<vec4<u32>>', 'array<vec4<f32>>'].filter((type) => read.includes(type));
  return [...new Set(types.map((type) => type.replace('f32', 'u32')))].map((type) => ({
    binding: buffer!,
    access: 'read',
    type,
  }));
}

function activationViews({ ofOneRow: { quads, elements } }: ModelBuffers): View[] {
  return [
    { binding: quads, access: 'read_write', type: 'array<vec4<f32>>' },
    { binding: elements, access: 'read_write', type: 'array<f32>' },
  ];
}

/** What `Gemma3` writes into the batch for one generated row. */
function batchOfOneRow({ generated }: ModelBuffers): Known {
  return { binding: generated.batch, value: 'Batch(1u, 0u, 1u, 0u)' };
}
