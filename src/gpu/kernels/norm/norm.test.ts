import { afterAll, beforeAll, describe, test } from 'vitest';
import {
  bufferWith,
  expectClose,
  openTestDevice,
  randomSource,
  runAndRead,
} from '../../../../tests/gpu/test-device.ts';
import type { GpuDevice } from '../../device.ts';
import { Kernel } from '../../kernel.ts';
import normText from './norm.wgsl?raw';
import { rmsNormReference } from './reference.ts';

/** Large enough to count. */
const EPSILON = 0.1;
const ROWS = 3;
/** Sums of squares have one sign: their relative error stays near that of one f32 rounding. */
const TOLERANCE = 5e-7;

let device: GpuDevice;
let close: () => void;

beforeAll(async () => ({ device, close } = await openTestDevice()));
afterAll(() => close());

describe.each([16, 256])('norms in workgroups of %i', (workgroup) => {
  function compile(columns: number, add: number): Promise<Kernel> {
    const constants = { COLUMNS: columns, ADD: add, WORKGROUP: workgroup, F_EPSILON: EPSILON };
    return Kernel.compile(device, { label: 'norm', constants, parts: [normText] });
  }

  /** Rows of very different size, and factors on both sides of 0, as effective norm weights may be. */
  function inputs(columns: number) {
    const random = randomSource(columns);
    const rows = () =>
      Float32Array.from({ length: ROWS * columns }, (_, i) => random.normal() * 100 ** Math.floor(i / columns));
    return { x: rows(), t: rows(), w1: random.normals(columns), w2: random.normals(columns) };
  }

  function buffersOf({ x, t, w1, w2 }: ReturnType<typeof inputs>, columns: number): GPUBuffer[] {
    const h = new Float32Array(ROWS * columns);
    return [x, t, w1, w2, h].map((data) => bufferWith(device, 'norm', data));
  }

  function normed(x: Float32Array, w: Float32Array, columns: number): Float32Array[] {
    return Array.from({ length: ROWS }, (_, r) =>
      rmsNormReference(x.slice(r * columns, (r + 1) * columns), w, EPSILON),
    );
  }

  function expectRows(actual: Float32Array, expected: Float32Array[], columns: number): void {
    for (const [r, row] of expected.entries()) {
      expectClose(actual.slice(r * columns, (r + 1) * columns), row, TOLERANCE);
    }
  }

  test.each([32, 96, 640, 1152, 2560])('width %i', async (columns) => {
    const data = inputs(columns);
    const [x, t, w1, w2, h] = buffersOf(data, columns);
    const kernel = await compile(columns, 0);
    const actual = await runAndRead(device, [kernel.bind([[x, t, w1, w2, h]], [ROWS])], h, ROWS * columns);
    expectRows(actual, normed(data.x, data.w2, columns), columns);
  });

  test.each([32, 96, 640, 1152, 2560])('width %i, the branch normed and added first', async (columns) => {
    const data = inputs(columns);
    const [x, t, w1, w2, h] = buffersOf(data, columns);
    const kernel = await compile(columns, 1);
    const actual = await runAndRead(device, [kernel.bind([[x, t, w1, w2, h]], [ROWS])], h, ROWS * columns);
    const branch = normed(data.t, data.w1, columns);
    const residual = data.x.map((value, i) => value + branch[Math.floor(i / columns)]![i % columns]!);
    expectRows(new Float32Array(await device.read(x, ROWS * columns * 4)), split(residual, columns), columns);
    expectRows(actual, normed(residual, data.w2, columns), columns);
  });
});

function split(x: Float32Array, columns: number): Float32Array[] {
  return Array.from({ length: ROWS }, (_, r) => x.slice(r * columns, (r + 1) * columns));
}
