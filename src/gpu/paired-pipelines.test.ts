import { expect, test } from 'vitest';
import type { GpuDevice } from './device.ts';
import { compileInPairs, pairText } from './paired-pipelines.ts';
import type { BoundSource } from './shared-bind-group.ts';

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

/** Labels of the pipelines that steps of these widths take, and the pipeline of each step. */
async function compiled(steps: { width: number; workgroupBytes?: number; workgroup?: number; layout?: string }[]) {
  const labels: string[] = [];
  const device = {
    pipeline: async (label: string) => labels.push(label),
  } as unknown as GpuDevice;
  const plan = await compileInPairs(
    device,
    steps.map(
      ({ width, workgroupBytes, workgroup = 256, layout = 'layer' }, index): BoundSource => ({
        source: {
          kernel: { label: `${index}`, constants: { WORKGROUP: workgroup }, parts: [] },
          groups: [],
          size: () => [width, 1, 1],
          workgroupBytes,
        },
        code: FIRST,
        layout: layout as unknown as GPUBindGroupLayout,
        bindGroup: `group ${index}` as unknown as GPUBindGroup,
      }),
    ),
  );
  expect(plan.map(({ dispatch }) => dispatch.label)).toEqual(steps.map((_, index) => `${index}`));
  expect(plan.map(({ dispatch }) => dispatch.bindGroup)).toEqual(steps.map((_, index) => `group ${index}`));
  return labels;
}

test('two products in a row that make their input stand in one pipeline, and each keeps its place in the plan', async () => {
  const product = { workgroupBytes: 8192 };
  expect(await compiled([{ width: 4 }, { width: 1, ...product }, { width: 2, ...product }, { width: 3 }])).toEqual([
    '0',
    '1 or 2',
    '3',
  ]);
  const three = [1, 2, 3].map((width) => ({ width, ...product }));
  expect(await compiled(three)).toEqual(['0 or 1', '2']);
});

test('they stand alone where the pair would be too much, or could not be told apart', async () => {
  const [first, second] = [
    { width: 1, workgroupBytes: 8192 },
    { width: 2, workgroupBytes: 8192 },
  ];
  for (const other of [{ workgroupBytes: 8193 }, { width: 1 }, { workgroup: 128 }, { layout: 'output norm' }]) {
    expect(await compiled([first, { ...second, ...other }])).toEqual(['0', '1']);
  }
});
