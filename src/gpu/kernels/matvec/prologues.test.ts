import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  bufferWith,
  expectClose,
  matrixWith,
  openTestDevice,
  randomSource,
  runAndRead,
} from '../../../../tests/gpu/test-device.ts';
import { joinPrologue } from '../../attention-steps.ts';
import { COPY_DST, type GpuDevice, UNIFORM } from '../../device.ts';
import { normStride } from '../../gemma3-weights.ts';
import { linears } from '../../linear.ts';
import type { InputPrologue } from '../../linear-operands.ts';
import { normPrologue } from '../../norm-steps.ts';
import type { PlanContext } from '../../plan-context.ts';
import { bindEach, dispatchesOf } from '../../plan-step.ts';
import { attentionReference } from '../attention/reference.ts';
import { rmsNormReference } from '../norm/reference.ts';
import { arrangedAt, linearReference, linearTolerance } from './reference.ts';

/*
 * Products of one generated row that make their input themselves (norm/normed_input.wgsl, attention/joined_input.wgsl), at widths where the last
 * of the steps by which 256 invocations make it, four columns each, has too few columns for all of them.
 */

/** Near the mean of the squares, so that it counts. */
const EPSILON = 0.5;
/** What no kernel is to write over. */
const UNTOUCHED = -1;

const SETTINGS = [
  { setting: 'subgroups', options: { naive: false } },
  { setting: 'no subgroups', options: { naive: false, withoutSubgroups: true } },
];

const NORMS = [
  { columns: 96, added: false, outputs: [37], gated: false },
  { columns: 160, added: true, outputs: [20, 37], gated: false },
  { columns: 640, added: true, outputs: [64], gated: true },
  { columns: 1152, added: true, outputs: [33], gated: false },
];

/** `splits`: the most that a row's attention has; `parts`: how many it has at a position. */
const JOINS = [
  { heads: 5, headDim: 96, window: 0, splits: 4, parts: { 0: 1, 64: 2, 255: 4, 256: 3 } },
  { heads: 5, headDim: 256, window: 100, splits: 3, parts: { 63: 1, 163: 2, 192: 3 } },
  { heads: 1, headDim: 32, window: 0, splits: 32, parts: { 2047: 32, 2048: 17 } },
];

describe.each(SETTINGS)('products that make their input, $setting', ({ options }) => {
  let device: GpuDevice;
  let close: () => void;

  beforeAll(async () => ({ device, close } = await openTestDevice(options)));
  afterAll(() => close());

  /** Products of one input in one dispatch, of random matrices: a run, and what is expected of x. */
  async function compile(
    { prologue, input, columns }: { prologue: InputPrologue; input: GPUBuffer; columns: number },
    outputs: number[],
    gated = false,
  ) {
    const random = randomSource(columns + 1);
    const matrixOf = (rows: number) => matrixWith(device, 'F16', columns, random.normals(rows * columns));
    const weights = await Promise.all(outputs.map((count) => matrixOf(gated ? 2 * count : count)));
    const outputStride = outputs.reduce((sum, count) => sum + count);
    const output = bufferWith(device, 'y', new Float32Array(outputStride).fill(Number.NaN));
    const batch = device.createBuffer('batch', 16, UNIFORM | COPY_DST);
    device.device.queue.writeBuffer(batch, 0, new Uint32Array([1, 0, 1, 0]));
    const operands = weights.map(({ matrix }, index) => ({
      matrix,
      batch,
      input,
      output,
      outputOffset: index * outputs[0]!,
      outputStride,
      gated,
      outputArranged: gated,
      prologue,
    }));
    const steps = await bindEach(device, linears(device, { kind: 'generated', rows: 1 }, operands));
    expect(steps).toHaveLength(1);
    return {
      run: async () => {
        const y = await runAndRead(device, dispatchesOf(steps, { rows: 1, blocks: 1 }), output, outputStride);
        return gated ? y.map((_, n) => y[arrangedAt(n, 0, outputStride, 1)]!) : y;
      },
      expected: (x: Float32Array) =>
        weights.flatMap(({ quantized }) => [...linearReference(quantized, x, columns, { gated })]),
    };
  }

  test.each(NORMS)(
    'the norm of $columns columns (a branch added: $added) for $outputs outputs (gated: $gated)',
    async ({ columns, added, outputs, gated }) => {
      const random = randomSource(columns);
      const [x, t] = [random.normals(columns), random.normals(columns)];
      const [w1, w2] = [random.normals(columns), random.normals(columns)];
      const stride = normStride(columns);
      const norms = new Float32Array(stride / 4 + columns).fill(Number.NaN);
      norms.set(w1);
      norms.set(w2, stride / 4);
      const buffer = bufferWith(device, 'norms', norms);
      const [input, branch] = [bufferWith(device, 'x', x), bufferWith(device, 't', t)];
      const to = bufferWith(device, "x'", new Float32Array(2 * columns).fill(UNTOUCHED));
      const config = { hiddenSize: columns, rmsNormEpsilon: EPSILON };
      const context = { device, config, buffers: { branch } } as unknown as PlanContext;
      const prologue = normPrologue(
        context,
        { kind: 'generated', rows: 1 },
        {
          from: input,
          branchColumns: columns,
          to,
          weights: { buffer, offset: stride, size: columns * 4 },
          ...(added && { branchNorm: { buffer, offset: 0, size: columns * 4 } }),
        },
      );
      const { run, expected } = await compile({ prologue, input, columns }, outputs, gated);
      const y = await run();
      const residual = new Float32Array(await device.read(to, 2 * columns * 4));
      const normedBranch = rmsNormReference(t, w1, EPSILON);
      const sum = added ? x.map((value, i) => value + normedBranch[i]!) : x;
      if (added) expectClose(residual.slice(0, columns), sum, 5e-7);
      expect(residual.slice(added ? columns : 0).every((value) => value === UNTOUCHED)).toBe(true);
      expectClose(y, expected(rmsNormReference(sum, w2, EPSILON)), linearTolerance(columns));
    },
  );

  test.each(JOINS)(
    'the parts of attention with $heads heads of $headDim, at most $splits, joined',
    async ({ heads, headDim, window, splits, parts }) => {
      const random = randomSource(headDim);
      const columns = heads * headDim;
      const partials = new Float32Array(heads * splits * (headDim + 4));
      const input = bufferWith(device, 'partials', partials);
      const rows = bufferWith(device, 'rows', new Uint32Array(4));
      const constants = { HEADS: heads, HEAD_DIM: headDim, WINDOW: window, SPLITS: splits, TABLE_LENGTH: splits };
      const prologue = joinPrologue({ rows: { buffer: rows } }, constants);
      const { run, expected } = await compile({ prologue, input, columns }, [37]);
      for (const [position, count] of Object.entries(parts)) {
        const all = Array.from({ length: heads }, () => headInParts(random, count, headDim));
        // What a row does not have spoils every sum that it gets into.
        partials.fill(Number.NaN);
        for (const [head, { partials: ofHead }] of all.entries()) partials.set(ofHead, head * splits * (headDim + 4));
        device.device.queue.writeBuffer(input, 0, partials);
        device.device.queue.writeBuffer(rows, 0, new Uint32Array([0, Number(position), 0, 0]));
        const x = Float32Array.from(all.flatMap(({ joined }) => [...joined]));
        expectClose(await run(), expected(x), 2e-5);
      }
    },
  );
});

/**
 * A head's attention in parts as blocks.wgsl leaves them, and joined. A part with the highest score m, weights that add up to l and values that add up to
 * l·v counts as much as one key with the score m + ln l and the value v.
 */
function headInParts(random: ReturnType<typeof randomSource>, count: number, headDim: number) {
  const partials = new Float32Array(count * (headDim + 4));
  const keys = new Float32Array(count * headDim);
  const values = random.normals(count * headDim);
  for (let part = 0; part < count; part++) {
    // e^m is more than f32 can hold.
    const highest = Math.fround(100 + random.normal());
    const total = Math.fround(1 + 63 * random.uniform());
    const sums = values.subarray(part * headDim, (part + 1) * headDim).map((value) => value * total);
    partials.set([...sums, highest, total], part * (headDim + 4));
    keys[part * headDim] = highest - 100 + Math.log(total);
  }
  const query = new Float32Array(headDim);
  query[0] = 1;
  return { partials, joined: attentionReference(query, keys, values, count - 1, 0) };
}
