import { afterAll, beforeAll, expect, test } from 'vitest';
import { bufferWith, openTestDevice, randomSource, runAndRead } from '../../../../tests/gpu/test-device.ts';
import type { GpuDevice } from '../../device.ts';
import { Kernel } from '../../kernel.ts';
import fused from './fused.wgsl?raw';
import plain from './plain.wgsl?raw';

const COUNT = 256;

const KERNEL = `
@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> c: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> single: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> quads: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.x;
  for (var lane = 0u; lane < 4u; lane++) {
    single[i][lane] = madd(a[i][lane], b[i][lane], c[i][lane]);
  }
  quads[i] = madd4(a[i], b[i], c[i]);
}`;

const random = randomSource(1);
const a = random.normals(COUNT);
const b = random.normals(COUNT);
// Close to −a·b, so that the product's own rounding is most of the sum where it has one.
const c = a.map((value, i) => -Math.fround(value * b[i]!) * (1 + 2 ** -20 * random.normal()));
/** A double holds the product of two f32 whole. */
const oneRounding = a.map((value, i) => value * b[i]! + c[i]!);
const twoRoundings = a.map((value, i) => Math.fround(value * b[i]!) + c[i]!);

let device: GpuDevice;
let close: () => void;

beforeAll(async () => ({ device, close } = await openTestDevice()));
afterAll(() => close());

async function run(form: string): Promise<{ single: Float32Array; quads: Float32Array }> {
  const kernel = await Kernel.compile(device, { label: 'madd', parts: [form, KERNEL] });
  const [single, quads] = [0, 1].map(() => bufferWith(device, 'out', new Float32Array(COUNT)));
  const inputs = [a, b, c].map((data) => bufferWith(device, 'in', data));
  const first = await runAndRead(device, [kernel.bind([[...inputs, single!, quads!]], [1])], single!, COUNT);
  return { single: first, quads: new Float32Array(await device.read(quads!, COUNT * 4)) };
}

test('the two references differ, so that the tests below say something', () => {
  expect(oneRounding.filter((value, i) => value !== twoRoundings[i]).length).toBeGreaterThan(COUNT / 4);
});

test('fused: one rounding for every number, or two where the GPU has no fma, the same in a vector', async () => {
  const { single, quads } = await run(fused);
  const telling = oneRounding.findIndex((value, i) => value !== twoRoundings[i]);
  expect(single).toEqual(single[telling] === oneRounding[telling] ? oneRounding : twoRoundings);
  expect(quads).toEqual(single);
});

test('plain: two roundings, where no compiler contracts them', async () => {
  const { single, quads } = await run(plain);
  for (const result of [single, quads]) {
    const unlike = result.filter((value, i) => value !== twoRoundings[i] && value !== oneRounding[i]);
    expect([...unlike]).toEqual([]);
    if (device.software) expect(result).toEqual(twoRoundings);
  }
});
