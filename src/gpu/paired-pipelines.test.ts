import { expect, test } from 'vitest';
import { LapisError } from '../protocol/errors.ts';
import type { GpuDevice } from './device.ts';
import { compileInPairs, pairText } from './paired-pipelines.ts';

/* What two texts become in one, and which do. Whether a pair computes the same is tested in layer-bind-groups.test.ts. */

const VIEWS = [
  '@group(0) @binding(0) var<storage, read_write> view_0: array<f32>;',
  '@group(0) @binding(1) var<storage, read> view_1: array<vec2<u32>>;',
];

const kernel = (statement: string, view: string, parameters: string) =>
  [
    'enable subgroups;',
    'const WORKGROUP: u32 = 256u;',
    'var<workgroup> prepared: array<f32, WORKGROUP>;',
    'fn store(at: u32) {',
    `  ${statement}`,
    '}',
    '@compute @workgroup_size(WORKGROUP)',
    `fn main(${parameters}) {`,
    '  store(workgroup.x);',
    '}',
    view,
  ].join('\n');
const FIRST = kernel(
  'view_0[at] = prepared[0];',
  VIEWS[0]!,
  '@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32',
);
const SECOND = kernel(
  'view_0[at] = f32(view_1[at].x) + prepared[1];',
  VIEWS.join('\n'),
  '\n  @builtin(num_workgroups) workgroups: vec3<u32>,\n  @builtin(workgroup_id) workgroup: vec3<u32>,\n',
);

test('two texts are one: what both bind stands there once, and the second declares all else under other names', () => {
  const lines = pairText(FIRST, SECOND, 288)
    .split('\n')
    .filter((line) => line.trim() !== '');
  expect(lines).toEqual([
    'enable subgroups;',
    ...VIEWS,
    'const WORKGROUP: u32 = 256u;',
    'var<workgroup> prepared: array<f32, WORKGROUP>;',
    'fn store(at: u32) {',
    '  view_0[at] = prepared[0];',
    '}',
    'fn entry(workgroup: vec3<u32>, local: u32) {',
    '  store(workgroup.x);',
    '}',
    'const WORKGROUP_second: u32 = 256u;',
    'var<workgroup> prepared_second: array<f32, WORKGROUP_second>;',
    'fn store_second(at: u32) {',
    '  view_0[at] = f32(view_1[at].x) + prepared_second[1];',
    '}',
    'fn entry_second(',
    '  workgroups: vec3<u32>,',
    '  workgroup: vec3<u32>,',
    ') {',
    '  store_second(workgroup.x);',
    '}',
    '@compute @workgroup_size(WORKGROUP)',
    'fn main(',
    '  @builtin(workgroup_id) workgroup_id: vec3<u32>,',
    '  @builtin(num_workgroups) num_workgroups: vec3<u32>,',
    '  @builtin(local_invocation_index) local_invocation_index: u32,',
    ') {',
    '  if (num_workgroups.x == 288u) { entry(workgroup_id, local_invocation_index); } else { entry_second(num_workgroups, workgroup_id); }',
    '}',
  ]);
});

test('a text without an entry point is refused', () => {
  expect(() => pairText('fn other() {}', SECOND, 1)).toThrow('fn other() {}');
});

type Step = { width: number; pairBytes?: number; workgroup?: number };

/** Labels of the pipelines that are made of steps, and of those that each takes. `device.pipeline` fails for labels that `fails` matches. */
async function compiled(steps: Step[], fails = /none/) {
  const texts: Record<string, string> = {};
  const device = {
    pipeline: async (label: string, code: string) => {
      if (fails.test(label)) throw new LapisError('internal', label);
      texts[label] = code;
      return label;
    },
  } as unknown as GpuDevice;
  const shared = { layout: {} as GPUBindGroupLayout, bindGroup: {} as GPUBindGroup };
  const bound = steps.map(({ width, workgroup = 256, pairBytes }, index) => ({
    source: {
      kernel: { label: `${index}`, constants: { WORKGROUP: workgroup }, parts: [] },
      groups: [],
      size: (): [number, number, number] => [width, 1, 1],
      pairBytes,
    },
    code: FIRST,
  }));
  const plan = await compileInPairs(device, shared, bound);
  expect(plan.map(({ dispatch }) => dispatch.label)).toEqual(steps.map((_, index) => `${index}`));
  expect(plan.map(({ size }) => size({ rows: 1, blocks: 1 })[0])).toEqual(steps.map(({ width }) => width));
  expect(plan.every(({ dispatch }) => dispatch.bindGroup === shared.bindGroup)).toBe(true);
  return { texts, pipelines: plan.map(({ dispatch }) => dispatch.pipeline as unknown as string) };
}

const product = (width: number): Step => ({ width, pairBytes: 8192 });

test('two steps in a row that may stand in one pipeline, told apart by the workgroups of the first', async () => {
  const { texts, pipelines } = await compiled([{ width: 7 }, product(4), product(2), { width: 3 }]);
  expect(pipelines).toEqual(['0', '1 or 2', '1 or 2', '3']);
  expect(texts['1 or 2']).toContain('if (num_workgroups.x == 4u) { entry(');
  expect((await compiled([product(1), product(2), product(3)])).pipelines).toEqual(['0 or 1', '0 or 1', '2']);
});

test('they stand alone where the pair would be too much, could not be told apart or does not compile', async () => {
  for (const other of [{ pairBytes: 8193 }, { width: 1 }, { workgroup: 128 }]) {
    expect((await compiled([product(1), { ...product(2), ...other }])).pipelines).toEqual(['0', '1']);
  }
  expect((await compiled([product(1), product(2)], / or /)).pipelines).toEqual(['0', '1']);
  await expect(compiled([product(1), product(2)], /1/)).rejects.toThrow('1');
});
