import type { GpuDevice } from './device.ts';
import { renameDeclared } from './kernel-text.ts';
import type { PlanStep } from './plan-step.ts';
import type { BoundSource } from './shared-bind-group.ts';

/* Setting a pipeline takes the CPU a third of what a dispatch does, so two products in a row stand in one where they can. */

/** Workgroup memory of a pair, bytes: what every device has. With more, the GPU takes longer: 4 to 7 % of a token's time with 17 to 20 KiB on an H200. */
const MOST_BYTES = 16_384;

/**
 * Compiles steps, two in a row as one pipeline where both are products that make their input themselves: such kernels lose nothing beside each other.
 * By how many workgroups a dispatch has the pipeline knows which of the two it is.
 */
export async function compileInPairs(device: GpuDevice, steps: readonly BoundSource[]): Promise<PlanStep[]> {
  const compiled: Promise<PlanStep[]>[] = [];
  for (let i = 0; i < steps.length; i++) {
    const [first, second] = [steps[i]!, steps[i + 1]];
    if (!second || !canPair(first, second)) {
      compiled.push(compile(device, first.source.kernel.label, first.code, [first]));
      continue;
    }
    const label = `${first.source.kernel.label} or ${second.source.kernel.label}`;
    compiled.push(compile(device, label, pairText(first.code, second.code, widthOf(first)), [first, second]));
    i++;
  }
  return (await Promise.all(compiled)).flat();
}

async function compile(
  device: GpuDevice,
  label: string,
  code: string,
  steps: readonly BoundSource[],
): Promise<PlanStep[]> {
  const pipeline = await device.pipeline(label, code, steps[0]!.layout);
  return steps.map(({ source: { kernel, size, label: step = kernel.label }, bindGroup }) => ({
    dispatch: { label: step, pipeline, bindGroup },
    size,
  }));
}

function canPair(first: BoundSource, second: BoundSource): boolean {
  const bytes = (first.source.workgroupBytes ?? Number.NaN) + (second.source.workgroupBytes ?? Number.NaN);
  return (
    bytes <= MOST_BYTES &&
    first.layout === second.layout &&
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
