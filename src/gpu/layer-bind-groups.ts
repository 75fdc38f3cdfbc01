import { fusesJoin } from './attention-steps.ts';
import type { LayerWeights } from './gemma3-weights.ts';
import { canGate } from './linear.ts';
import { fusesHeadNorm, fusesNorm } from './norm-steps.ts';
import type { PlanContext } from './plan-context.ts';
import type { PlanStep, StepSource } from './plan-step.ts';
import { bindTogether, type View } from './shared-bind-group.ts';

/* One generated row: a layer's dispatches share a bind group, which spares the CPU a seventh of its time for a token. */

/**
 * Whether the layers of a single generated row can share their bind groups: where a layer's weights stand in one buffer, and every product makes
 * its input itself, since a step with a bind group of its own cannot read one of the row's activations and write another: they stand in one buffer.
 */
export function canShareBindGroups(context: PlanContext): boolean {
  const { device, weights, cache } = context;
  const rowClass = { kind: 'generated', rows: 1 } as const;
  if (!fusesHeadNorm(context, rowClass)) return false;
  return weights.layers.every(
    ({ buffer, qkv, attentionOutput, gateUp }, index) =>
      buffer !== undefined &&
      cache.layer(index).table.buffer.size <= device.maxBindingBytes &&
      gateUp.length === 1 &&
      canGate(gateUp[0]!) &&
      fusesNorm(context, rowClass, [...qkv.map(({ matrix }) => matrix), ...gateUp]) &&
      fusesJoin(context, rowClass, attentionOutput),
  );
}

/** Compiles a layer's steps, which work on the activations of one row, with one bind group. */
export function bindLayer(context: PlanContext, index: number, steps: readonly StepSource[]): Promise<PlanStep[]> {
  const layer = context.weights.layers[index]!;
  return bindTogether(context.device, `layer ${index}`, viewsOf(context, layer, index), steps);
}

/** Eight storage buffers, which every device allows. */
function viewsOf({ buffers, cache }: PlanContext, { buffer }: LayerWeights, index: number): View[] {
  const { batch, rows } = buffers.generated;
  const { quads, elements } = buffers.ofOneRow;
  const { table, keys, values } = cache.layer(index);
  return [
    { binding: batch, access: 'uniform', type: 'Batch' },
    { binding: rows, access: 'read', type: 'array<Row>' },
    { binding: table.buffer, access: 'read', type: 'array<u32>' },
    { binding: quads, access: 'read_write', type: 'array<vec4<f32>>' },
    { binding: elements, access: 'read_write', type: 'array<f32>' },
    { binding: keys, access: 'read_write', type: 'array<vec4<u32>>' },
    { binding: values, access: 'read_write', type: 'array<vec2<u32>>' },
    { binding: buffer!, access: 'read', type: 'array<vec2<u32>>' },
    { binding: buffer!, access: 'read', type: 'array<vec4<u32>>' },
  ];
}
