import { LapisError } from '../protocol/errors.ts';
import type { GpuDevice } from './device.ts';
import { renameDeclared } from './kernel-text.ts';
import type { PlanStep, StepSource } from './plan-step.ts';

/* Setting a pipeline takes the CPU a third of what a dispatch does, so two products in a row stand in one where they can. */

/** Workgroup memory of a pair at most, bytes: what every device has. With 4B's 18 KiB an H200 took 8 % longer for a token. */
const MOST_BYTES = 16_384;

/** A step with its text, whose bindings are those of a bind group that it shares. */
export interface BoundSource {
  source: StepSource;
  code: string;
}

interface Shared {
  layout: GPUBindGroupLayout;
  bindGroup: GPUBindGroup;
}

/**
 * Compiles steps of one bind group, two in a row as one pipeline where both may (`pairBytes`). By how many workgroups a dispatch has the pipeline knows
 * which of the two it is. A pair that does not compile becomes two pipelines.
 */
export async function compileInPairs(
  device: GpuDevice,
  shared: Shared,
  steps: readonly BoundSource[],
): Promise<PlanStep[]> {
  const compiled = inPairs(steps).map(async ([first, second]) =>
    second ? compilePair(device, shared, first, second) : [await compileAlone(device, shared, first)],
  );
  return (await Promise.all(compiled)).flat();
}

async function compileAlone(device: GpuDevice, shared: Shared, step: BoundSource): Promise<PlanStep> {
  const pipeline = await device.pipeline(step.source.kernel.label, step.code, shared.layout);
  return planStep(step, pipeline, shared);
}

async function compilePair(
  device: GpuDevice,
  shared: Shared,
  first: BoundSource,
  second: BoundSource,
): Promise<PlanStep[]> {
  const both = [first, second];
  const label = both.map(({ source }) => source.kernel.label).join(' or ');
  try {
    const pipeline = await device.pipeline(label, pairText(first.code, second.code, widthOf(first)), shared.layout);
    return both.map((step) => planStep(step, pipeline, shared));
  } catch (error) {
    if (!(error instanceof LapisError && error.code === 'internal')) throw error;
    return Promise.all(both.map((step) => compileAlone(device, shared, step)));
  }
}

function inPairs(steps: readonly BoundSource[]): [first: BoundSource, second?: BoundSource][] {
  const pairs: [first: BoundSource, second?: BoundSource][] = [];
  for (const step of steps) {
    const before = pairs.at(-1);
    if (before?.length === 1 && canPair(before[0], step)) before.push(step);
    else pairs.push([step]);
  }
  return pairs;
}

function planStep({ source }: BoundSource, pipeline: GPUComputePipeline, { bindGroup }: Shared): PlanStep {
  const { kernel, size, label = kernel.label } = source;
  return { dispatch: { label, pipeline, bindGroup }, size };
}

function canPair(first: BoundSource, second: BoundSource): boolean {
  const bytes = (first.source.pairBytes ?? Number.NaN) + (second.source.pairBytes ?? Number.NaN);
  return (
    bytes <= MOST_BYTES &&
    first.source.kernel.constants?.WORKGROUP === second.source.kernel.constants?.WORKGROUP &&
    widthOf(first) !== widthOf(second)
  );
}

/** Workgroups in x, of which a product has the same number whatever the batch. */
function widthOf({ source }: BoundSource): number {
  return source.size({ rows: 1, blocks: 1 })[0];
}

const ENABLE = /^enable \w+;$/gm;
const BOUND = /^@group\(0\) .*$/gm;
const MAIN =
  /@compute @workgroup_size\(WORKGROUP\)\s*fn main\((?<parameters>(?:\s*@builtin\(\w+\) \w+: [\w<>]+,?)+\s*)\)/;

/**
 * One text of two that are bound alike and have as many invocations in a workgroup: the first where a dispatch has `width` workgroups in x, else the
 * second. Throws `Error` for a text whose entry point is not found.
 */
export function pairText(first: string, second: string, width: number): string {
  const a = partOf(first);
  const b = partOf(second);
  return [
    ...new Set([...a.enabled, ...b.enabled, ...a.bound, ...b.bound]),
    a.text,
    renameDeclared(b.text, '_second'),
    '@compute @workgroup_size(WORKGROUP)',
    'fn main(',
    '  @builtin(workgroup_id) workgroup_id: vec3<u32>,',
    '  @builtin(num_workgroups) num_workgroups: vec3<u32>,',
    '  @builtin(local_invocation_index) local_invocation_index: u32,',
    ') {',
    `  if (num_workgroups.x == ${width}u) { entry(${a.builtins}); } else { entry_second(${b.builtins}); }`,
    '}',
  ].join('\n');
}

/** What a text enables and binds, and the rest with its entry point as a function `entry` of these builtins. */
function partOf(text: string): { enabled: string[]; bound: string[]; text: string; builtins: string } {
  const main = MAIN.exec(text);
  if (!main) throw new Error(`A text without an entry point cannot stand in a pair: ${text.slice(0, 80)}`);
  const { parameters } = main.groups as { parameters: string };
  return {
    enabled: text.match(ENABLE) ?? [],
    bound: text.match(BOUND) ?? [],
    text: text
      .replace(main[0], `fn entry(${parameters.replace(/@builtin\(\w+\) /g, '')})`)
      .replace(ENABLE, '')
      .replace(BOUND, ''),
    builtins: [...parameters.matchAll(/@builtin\((\w+)\)/g)].map(([, builtin]) => builtin).join(', '),
  };
}
