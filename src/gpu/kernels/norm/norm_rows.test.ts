import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  bufferWith,
  expectClose,
  openTestDevice,
  randomSource,
  runAndRead,
} from '../../../../tests/gpu/test-device.ts';
import { COPY_DST, type GpuDevice, UNIFORM } from '../../device.ts';
import { Kernel } from '../../kernel.ts';
import rowsText from '../../rows.wgsl?raw';
import fused from '../madd/fused.wgsl?raw';
import arranged from '../matvec/arranged.wgsl?raw';
import { arrangedAt, inOrder } from '../matvec/reference.ts';
import normRowText from './norm_row.wgsl?raw';
import normRowsText from './norm_rows.wgsl?raw';
import { rmsNormReference } from './reference.ts';
import sumSubgroups from './sum_subgroups.wgsl?raw';
import sumWorkgroup from './sum_workgroup.wgsl?raw';

/** Large enough to count. */
const EPSILON = 0.1;
const ROWS = 3;
const TOLERANCE = 5e-7;

const SETTINGS = [
  { setting: 'subgroups', options: { naive: false } },
  { setting: 'no subgroups', options: { naive: false, withoutSubgroups: true } },
];

describe.each(SETTINGS)('norms by whole workgroups, $setting', ({ options }) => {
  let device: GpuDevice;
  let close: () => void;

  beforeAll(async () => ({ device, close } = await openTestDevice(options)));
  afterAll(() => close());

  test.each([
    [96, 0, 4],
    [1152, 0, 0],
    [32, 1, 8],
    [640, 1, 0],
    [2560, 3, 4],
  ])('width %i, a branch of %i sums, arranged for %i rows', async (columns, branches, together) => {
    const rows = Math.max(1, together);
    const place = together > 0 ? arrangedAt : inOrder;
    const random = randomSource(columns + branches);
    // Rows of very different size.
    const rowsOf = () =>
      Float32Array.from({ length: ROWS * columns }, (_, i) => random.normal() * 100 ** Math.floor(i / columns));
    const x = rowsOf();
    const sums = Array.from({ length: Math.max(1, branches) }, rowsOf);
    const [w1, w2] = [random.normals(columns), random.normals(columns)];
    const stride = Math.ceil(columns / 64) * 64;
    const norms = new Float32Array(2 * stride);
    if (branches > 0) norms.set(w1);
    norms.set(w2, branches > 0 ? stride : 0);

    const subgroups = device.features.shuffleWidth > 1;
    const kernel = await Kernel.compile(device, {
      label: 'norm',
      constants: {
        COLUMNS: columns,
        ADD: branches > 0 ? 1 : 0,
        BRANCHES: Math.max(1, branches),
        NORM_STRIDE: stride / 4,
        QUAD_STEPS: Math.ceil(columns / 1024),
        WORKGROUP: 256,
        ARRANGED: place === inOrder ? 0 : 1,
        ROWS: rows,
        F_EPSILON: EPSILON,
        ...(subgroups && { SHUFFLE: device.features.shuffleWidth }),
      },
      parts: [rowsText, fused, subgroups ? sumSubgroups : sumWorkgroup, arranged, normRowText, normRowsText],
      subgroups,
    });
    const batch = device.createBuffer('batch', 16, UNIFORM | COPY_DST);
    device.device.queue.writeBuffer(batch, 0, new Uint32Array([ROWS, 0, 0, 0]));
    const branch = Float32Array.from(sums.flatMap((sum) => [...sum]));
    const [from, t, w, to, h] = [
      x,
      branch,
      norms,
      x.slice().fill(-1),
      new Float32Array(8 * columns).fill(Number.NaN),
    ].map((data) => bufferWith(device, 'norm', data));
    const actual = await runAndRead(device, [kernel.bind([[batch, from, t, w, to, h]], [ROWS])], h, 8 * columns);
    const residual = new Float32Array(await device.read(to, ROWS * columns * 4));
    for (let r = 0; r < ROWS; r++) {
      const rowOf = (data: Float32Array) => data.slice(r * columns, (r + 1) * columns);
      let expected = rowOf(x);
      if (branches > 0) {
        const total = expected.map((_, i) => sums.reduce((sum, part) => sum + part[r * columns + i]!, 0));
        const added = rmsNormReference(total, w1, EPSILON);
        expected = expected.map((value, i) => value + added[i]!);
        expectClose(rowOf(residual), expected, TOLERANCE);
      } else {
        expect(rowOf(residual)).toEqual(expected.map(() => -1));
      }
      const normed = expected.map((_, i) => actual[place(i, r, columns, rows)]!);
      expectClose(normed, rmsNormReference(expected, w2, EPSILON), TOLERANCE);
    }
  });
});
