import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  bufferWith,
  expectClose,
  hasSubgroupMatrix,
  matrixWith,
  openTestDevice,
  randomSource,
  runAndRead,
} from '../../../../tests/gpu/test-device.ts';
import { dequantize, quantize } from '../../../model/codecs/registry.ts';
import { TENSOR_TYPES, type TensorType } from '../../../model/tensor.ts';
import { COPY_DST, COPY_SRC, type GpuDevice, STORAGE, UNIFORM } from '../../device.ts';
import { linear, linears } from '../../linear.ts';
import type { RowClass } from '../../linear-operands.ts';
import { bindEach, dispatchesOf } from '../../plan-step.ts';
import { WeightUploader } from '../repack/upload.ts';
import { createWeightMatrix, type WeightMatrix } from '../weights/weights.ts';
import { arrangedAt, linearReference, linearTolerance } from './reference.ts';

/** ms; SwiftShader takes seconds for each matmul pipeline, and the machine may be busy. */
const COMPILE_TIMEOUT = 240_000;

const LONG = process.env.LAPIS_LONG === '1';

const TYPES = Object.keys(TENSOR_TYPES) as TensorType[];

/** Prompt rows of each type, one of them gated, at a width of its own: a matmul pipeline is dear to compile on a CPU. */
const PROMPT_COLUMNS: Record<TensorType, number> = {
  F32: 32,
  F16: 96,
  BF16: 640,
  Q4_0: 1152,
  Q4_1: 96,
  Q5_0: 640,
  Q5_1: 288,
  Q8_0: 2304,
  Q4_K: 256,
  Q5_K: 768,
  Q6_K: 512,
  IQ4_NL: 160,
};

/** The type whose prompt rows are tested as gelu of the upper half times the lower half. */
const GATED = 'Q5_0';

const SETTINGS = [
  { setting: 'naive', options: { naive: true }, prompts: true },
  { setting: 'tuned, with subgroups', options: { naive: false, subgroupMatrix: false }, prompts: true },
  // Its kernel for prompt rows uses no subgroups, so it is the same one.
  { setting: 'tuned, without subgroups', options: { naive: false, withoutSubgroups: true }, prompts: false },
  ...((await hasSubgroupMatrix())
    ? [{ setting: 'tuned, on subgroup matrices', options: { naive: false, subgroupMatrix: true }, prompts: true }]
    : []),
];

describe.each(SETTINGS)('matrix products, $setting', ({ options, prompts }) => {
  let device: GpuDevice;
  let close: () => void;

  beforeAll(async () => ({ device, close } = await openTestDevice(options)));
  afterAll(() => close());

  /** Runs W·x for a class of rows; weights are random, quantized, uploaded in two chunks that do not end on a row. */
  async function run(
    type: TensorType,
    outputs: number,
    columns: number,
    inputRows: number,
    rowClass: RowClass,
    gated = false,
    seed = 1,
    order: { arranged?: boolean; outputArranged?: boolean; splits?: number } = {},
    scale = 1,
  ) {
    const random = randomSource(seed);
    const weightRows = gated ? outputs * 2 : outputs;
    const stored = quantize(type, random.normals(weightRows * columns));
    const x = random.normals(inputRows * columns).map((value) => scale * value);
    const matrix = createWeightMatrix(device, { label: 'test', type, rows: weightRows, columns });
    const uploader = await WeightUploader.create(device, [type]);
    const { blockBytes } = TENSOR_TYPES[type];
    // An even number of blocks, so that the second chunk begins on a multiple of four bytes.
    const cut = Math.floor(stored.byteLength / blockBytes / 6) * 2 * blockBytes;
    await uploader.upload(matrix, 0, 0, stored.slice(0, cut));
    await uploader.upload(matrix, 0, cut, stored.slice(cut));
    uploader.flush();
    const batch = device.createBuffer('batch', 16, UNIFORM | COPY_DST);
    device.device.queue.writeBuffer(batch, 0, new Uint32Array([inputRows, 0, 0, 0]));
    const input = device.createBuffer('x', 8 * columns * 4 + x.byteLength, STORAGE | COPY_DST);
    device.device.queue.writeBuffer(input, 0, order.arranged ? arranged(x, columns, inputRows) : x);
    const count = (order.splits ?? 1) * inputRows * outputs;
    const output = device.createBuffer('y', count * 4, STORAGE | COPY_SRC);
    const sources = linear(device, rowClass, {
      matrix,
      batch,
      input,
      output,
      outputStride: outputs,
      gated,
      ...order,
    });
    const steps = await bindEach(device, sources);
    const y = await runAndRead(device, dispatchesOf(steps, { rows: inputRows, blocks: 1 }), output, count);
    return { y, expected: () => linearReference(dequantize(type, stored), x, columns, { gated }) };
  }

  test.each(TYPES)('%s: a generated row', async (type) => {
    const { y, expected } = await run(type, 37, 768, 1, { kind: 'generated', rows: 1 });
    expectClose(y, expected(), linearTolerance(768));
  });

  test.each([
    [32, 'Q8_0'],
    [96, 'Q5_0'],
    [96, 'Q4_1'],
    [160, 'IQ4_NL'],
    [256, 'Q4_K'],
    [288, 'Q5_1'],
    [640, 'BF16'],
    [1152, 'Q4_0'],
    [1280, 'Q5_K'],
    [2304, 'Q6_K'],
    [6912, 'Q8_0'],
  ] as const)('generated rows of %i in %s', async (columns, type) => {
    const { y, expected } = await run(type, 33, columns, 3, { kind: 'generated', rows: 4 });
    expectClose(y, expected(), linearTolerance(columns));
  });

  test('gated generated rows: gelu of the upper half times the lower half', async () => {
    const { y, expected } = await run('Q5_0', 70, 96, 2, { kind: 'generated', rows: 2 }, true);
    expectClose(y, expected(), 2e-6);
  });

  test.each([false, true])("a generated row's bits do not depend on the rows beside it (gated: %s)", async (gated) => {
    const alone = await run('Q6_K', 40, 256, 1, { kind: 'generated', rows: 1 }, gated);
    for (const rows of [2, 4, 8]) {
      const together = await run('Q6_K', 40, 256, rows, { kind: 'generated', rows }, gated);
      expect(together.y.slice(0, 40)).toEqual(alone.y);
    }
  });

  test.each([1, 4, 8])(
    'two products of an input in one dispatch have the bits of two (%i generated rows)',
    async (rows) => {
      const [columns, few, many] = [256, 20, 4200];
      const random = randomSource(rows);
      const matrices = [];
      for (const [type, outputs] of [
        ['Q5_0', few],
        ['Q6_K', many],
        ['Q8_0', few],
      ] as const) {
        matrices.push((await matrixWith(device, type, columns, random.normals(outputs * columns))).matrix);
      }
      const [a, b, c] = matrices as [WeightMatrix, WeightMatrix, WeightMatrix];
      const batch = device.createBuffer('batch', 16, UNIFORM | COPY_DST);
      device.device.queue.writeBuffer(batch, 0, new Uint32Array([rows, 0, 0, 0]));
      const input = bufferWith(device, 'x', random.normals(8 * columns));
      const outputs = few + many;
      const rowClass = { kind: 'generated', rows } as const;
      const products = async (pair: [WeightMatrix, WeightMatrix], together: boolean) => {
        const output = bufferWith(device, 'y', new Float32Array(rows * outputs).fill(Number.NaN));
        const operands = pair.map((matrix, index) => ({
          matrix,
          batch,
          input,
          output,
          outputOffset: index * pair[0].rows,
          outputStride: outputs,
        }));
        const steps = together
          ? await bindEach(device, linears(device, rowClass, operands))
          : await bindEach(
              device,
              operands.flatMap((one) => linear(device, rowClass, one)),
            );
        expect(steps).toHaveLength(together && !options.naive ? 1 : 2);
        return runAndRead(device, dispatchesOf(steps, { rows, blocks: 1 }), output, rows * outputs);
      };
      // Kernels of several rows are dear to compile on a CPU, and pair as one row's do.
      const pairs: [WeightMatrix, WeightMatrix][] =
        rows === 1 || LONG
          ? [
              [a, b],
              [b, c],
            ]
          : [[b, c]];
      for (const pair of pairs) {
        const y = await products(pair, true);
        expect(y.every(Number.isFinite)).toBe(true);
        expect(y).toEqual(await products(pair, false));
      }
    },
  );

  test.each([1, 4])('input and output may be arranged for %i generated rows', async (rows) => {
    if (options.naive) return;
    const plain = await run('Q8_0', 64, 1152, rows, { kind: 'generated', rows }, true);
    const apart = await run('Q8_0', 64, 1152, rows, { kind: 'generated', rows }, true, 1, {
      arranged: true,
      outputArranged: true,
    });
    expect(plain.y.map((_, i) => apart.y[arrangedAt(i % 64, Math.floor(i / 64), 64, rows)])).toEqual(plain.y);
  });

  if (!prompts) return;

  test.each(TYPES)(
    '%s: prompt rows',
    async (type) => {
      const columns = PROMPT_COLUMNS[type];
      const { y, expected } = await run(type, 130, columns, 65, { kind: 'prompt' }, type === GATED);
      expectClose(y, expected(), linearTolerance(columns));
    },
    COMPILE_TIMEOUT,
  );

  test.each([1e-3, 1e4])(
    'prompt rows of numbers about %s',
    async (scale) => {
      const columns = PROMPT_COLUMNS.Q4_K;
      const { y, expected } = await run('Q4_K', 130, columns, 65, { kind: 'prompt' }, false, 1, {}, scale);
      expectClose(y, expected(), linearTolerance(columns));
    },
    COMPILE_TIMEOUT,
  );

  test.each([false, true])(
    'prompt rows of a matrix with many rows, whose tiles are wide (gated: %s)',
    async (gated) => {
      const outputs = gated ? 2070 : 4130;
      const { y, expected } = await run('Q8_0', outputs, 32, 65, { kind: 'prompt' }, gated);
      expectClose(y, expected(), linearTolerance(32));
    },
    COMPILE_TIMEOUT,
  );

  test(
    "a prompt row's bits do not depend on the rows beside it",
    async () => {
      for (const type of ['Q6_K', GATED] as const) {
        const [columns, gated] = [PROMPT_COLUMNS[type], type === GATED];
        const few = await run(type, 40, columns, 1, { kind: 'prompt' }, gated);
        const many = await run(type, 40, columns, 65, { kind: 'prompt' }, gated);
        expect(many.y.slice(0, 40)).toEqual(few.y);
      }
    },
    COMPILE_TIMEOUT,
  );

  test(
    'prompt rows whose columns are split: the sums add up',
    async () => {
      if (options.naive) return;
      // Tiles of 64 and of 128 weight rows.
      for (const outputs of [40, 2100]) {
        const { y, expected } = await run('Q4_0', outputs, 288, 5, { kind: 'prompt' }, false, 1, { splits: 4 });
        const n = 5 * outputs;
        const sums = Float32Array.from({ length: n }, (_, i) => y[i] + y[n + i] + y[2 * n + i] + y[3 * n + i]);
        expectClose(sums, expected(), linearTolerance(288));
      }
    },
    COMPILE_TIMEOUT,
  );
});

/** Rows as matvec reads them best, all of them together. */
function arranged(x: Float32Array, columns: number, rows: number): Float32Array<ArrayBuffer> {
  const words = new Float32Array(x.length);
  x.forEach((value, i) => {
    words[arrangedAt(i % columns, Math.floor(i / columns), columns, rows)] = value;
  });
  return words;
}
