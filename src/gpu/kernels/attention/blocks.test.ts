import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  bufferWith,
  expectClose,
  openTestDevice,
  randomSource,
  runAndRead,
} from '../../../../tests/gpu/test-device.ts';
import { f16Table, f32ToF16 } from '../../../model/codecs/half.ts';
import type { GpuDevice } from '../../device.ts';
import { Kernel } from '../../kernel.ts';
import rowsText from '../../rows.wgsl?raw';
import fused from '../madd/fused.wgsl?raw';
import arranged from '../matvec/arranged.wgsl?raw';
import { arrangedAt } from '../matvec/reference.ts';
import teamSumSubgroups from '../matvec/sum_subgroups.wgsl?raw';
import teamSumWorkgroup from '../matvec/sum_workgroup.wgsl?raw';
import sumSubgroups from '../norm/sum_subgroups.wgsl?raw';
import sumWorkgroup from '../norm/sum_workgroup.wgsl?raw';
import { ropeAngles } from '../rope/angles.ts';
import cacheText from '../rope/cache.wgsl?raw';
import { ropeReference } from '../rope/reference.ts';
import blocksText from './blocks.wgsl?raw';
import extentText from './extent.wgsl?raw';
import joinRowsText from './join_rows.wgsl?raw';
import joinedText from './joined.wgsl?raw';
import { attentionReference } from './reference.ts';
import { keyLanes } from './splits.ts';

const BLOCK = 64;
/** Large enough to count. */
const EPSILON = 0.1;
const QUERY_SCALE = 0.0625;
const WORKGROUP = 256;
/** Halves of 65504: in entries that no position of the sequence has, and in the row's own before it is written. */
const POISON = 0x7bff7bff;

/** One sequence a row, which ends at that row. */
const CASES = [
  {
    name: 'four heads of 256 share a KV head, as many splits as blocks',
    heads: 4,
    kvHeads: 1,
    headDim: 256,
    window: 0,
    tableLength: 4,
    splits: 4,
    positions: [0, 1, 63, 64, 127, 250],
  },
  {
    name: 'splits of several blocks each',
    heads: 2,
    kvHeads: 1,
    headDim: 32,
    window: 0,
    tableLength: 9,
    splits: 3,
    positions: [0, 191, 192, 256, 320, 575],
  },
  {
    name: 'a window in a ring that wraps',
    heads: 4,
    kvHeads: 2,
    headDim: 96,
    window: 100,
    tableLength: 3,
    splits: 3,
    positions: [0, 63, 64, 99, 100, 191, 192, 400],
  },
];

const SETTINGS = [
  { setting: 'subgroups', options: { naive: false, withoutSubgroups: false } },
  { setting: 'no subgroups', options: { naive: false, withoutSubgroups: true } },
];

describe.each(SETTINGS)('attention of generated rows and of the same rows in a prompt, $setting', ({ options }) => {
  let device: GpuDevice;
  let close: () => void;

  beforeAll(async () => ({ device, close } = await openTestDevice(options)));
  afterAll(() => close());

  // A pipeline takes a CPU adapter seconds: sums without subgroups get one case.
  const cases = options.withoutSubgroups ? CASES.slice(-1) : CASES;

  test.each(cases)('$name', async ({ heads, kvHeads, headDim, window, tableLength, splits, positions }) => {
    const random = randomSource(headDim + splits);
    const halves = f16Table();
    const toHalf = (value: number) => halves[f32ToF16(value)]!;
    const entry = kvHeads * headDim;
    const allHeads = heads + 2 * kvHeads;
    const qkv = random.normals(positions.length * allHeads * headDim, 2);
    const [qNorm, kNorm] = [random.normals(headDim), random.normals(headDim)];
    const angles = ropeAngles(headDim, Math.max(...positions) + 1, 10_000, 1);
    const table = Uint32Array.from({ length: positions.length * tableLength }, (_, i) => i ^ 1);
    const cells = (table.length + 1) * BLOCK;

    /** Keys and values before the row's own, as halves. */
    const sequences = positions.map((position) => ({
      keys: random.normals(position * entry).map(toHalf),
      values: random.normals(position * entry).map(toHalf),
    }));
    const cellOf = (slot: number, position: number) =>
      table[slot * tableLength + (Math.floor(position / BLOCK) % tableLength)]! * BLOCK + (position % BLOCK);
    const cacheOf = (kind: 'keys' | 'values') => {
      const cache = new Uint32Array((cells * entry) / 2).fill(POISON);
      const bits = new Uint16Array(cache.buffer);
      positions.forEach((last, slot) => {
        for (let position = Math.max(0, last + 1 - tableLength * BLOCK); position < last; position++) {
          const from = sequences[slot]![kind].subarray(position * entry, (position + 1) * entry);
          bits.set(Uint16Array.from(from, f32ToF16), cellOf(slot, position) * entry);
        }
      });
      return bufferWith(device, kind, cache);
    };

    const subgroups = device.features.shuffleWidth > 1;
    const normStride = Math.ceil(headDim / 64) * 64;
    const norms = new Float32Array(2 * normStride);
    norms.set(qNorm);
    norms.set(kNorm, normStride);
    const shared = { HEADS: heads, HEAD_DIM: headDim, WINDOW: window, SPLITS: splits, TABLE_LENGTH: tableLength };
    const compile = (generated: 0 | 1) =>
      Kernel.compile(device, {
        label: 'attention',
        constants: {
          ...shared,
          SPLITS: generated ? splits : 1,
          KV_HEADS: kvHeads,
          GENERATED: generated,
          NORM_STRIDE: normStride,
          LANES: keyLanes(headDim),
          WORKGROUP,
          F_EPSILON: EPSILON,
          F_QUERY_SCALE: QUERY_SCALE,
          ...(subgroups && { SHUFFLE: device.features.shuffleWidth }),
        },
        parts: [
          rowsText,
          fused,
          cacheText,
          subgroups ? sumSubgroups : sumWorkgroup,
          subgroups ? teamSumSubgroups : teamSumWorkgroup,
          extentText,
          blocksText,
        ],
        subgroups,
      });
    const join = await Kernel.compile(device, {
      label: 'join',
      constants: { ...shared, ROWS: 8 },
      parts: [rowsText, fused, cacheText, extentText, joinedText, arranged, joinRowsText],
    });
    const [decode, prompt] = [await compile(1), await compile(0)];
    const rows = bufferWith(
      device,
      'rows',
      Uint32Array.from(positions.flatMap((position, slot) => [slot, position, 0, 0])),
    );
    const [keys, values] = [cacheOf('keys'), cacheOf('values')];
    const partialCount = positions.length * heads * splits * (headDim + 4);
    const partials = bufferWith(device, 'partials', new Float32Array(partialCount).fill(1e30));
    const count = 8 * heads * headDim;
    const out = bufferWith(device, 'out', new Float32Array(count).fill(Number.NaN));
    const inputs = [
      bufferWith(device, 'qkv', qkv),
      bufferWith(device, 'norms', norms),
      bufferWith(device, 'angles', angles),
      bufferWith(device, 'table', table),
    ];
    const dispatches = [
      decode.bind([[rows, ...inputs, keys, values, partials]], [heads, positions.length, splits]),
      join.bind([[rows, partials, out]], [Math.ceil((heads * headDim) / 256), positions.length]),
    ];
    const actual = await runAndRead(device, dispatches, out, count);
    // The same rows as rows of a prompt, whose queries are ready and whose cache is what was written just now.
    const readyQkv = qkv.slice();
    for (const [row, position] of positions.entries()) {
      const angle = angles.slice(position * headDim, (position + 1) * headDim);
      for (let head = 0; head < heads; head++) {
        const at = (row * allHeads + head) * headDim;
        const query = ropeReference(qkv.slice(at, at + headDim), qNorm, EPSILON, angle);
        readyQkv.set(
          query.map((value) => value * QUERY_SCALE),
          at,
        );
      }
    }
    const ready = bufferWith(device, 'qkv', readyQkv);
    const ofPrompts = await runAndRead(
      device,
      [prompt.bind([[rows, ready, ...inputs.slice(1), keys, values, out]], [heads, positions.length])],
      out,
      count,
    );
    const [keysAfter, valuesAfter] = [keys, values].map((buffer) => device.read(buffer, buffer.size));
    const cachedKeys = new Uint16Array(await keysAfter!);
    const cachedValues = new Uint16Array(await valuesAfter!);

    for (const [row, position] of positions.entries()) {
      const headAt = (head: number) => {
        const at = (row * allHeads + head) * headDim;
        return qkv.slice(at, at + headDim);
      };
      const angle = angles.slice(position * headDim, (position + 1) * headDim);
      for (let head = 0; head < heads; head++) {
        const kvHead = Math.floor(head / (heads / kvHeads));
        const query = ropeReference(headAt(head), qNorm, EPSILON, angle).map((value) => value * QUERY_SCALE);
        const cellAt = (cellOf(row, position) * kvHeads + kvHead) * headDim;
        // What the kernel rounded to halves is what later rows will see: near the reference, and used as it stands.
        const ownKey = Float32Array.from(cachedKeys.subarray(cellAt, cellAt + headDim), (bits) => halves[bits]!);
        const ownValue = Float32Array.from(cachedValues.subarray(cellAt, cellAt + headDim), (bits) => halves[bits]!);
        expectClose(ownKey, ropeReference(headAt(heads + kvHead), kNorm, EPSILON, angle), 1e-3);
        expect(ownValue).toEqual(headAt(heads + kvHeads + kvHead).map(toHalf));
        const ofHead = (sequence: Float32Array, own: Float32Array) => {
          const past = sequence.filter((_, i) => Math.floor(i / headDim) % kvHeads === kvHead);
          return Float32Array.from([...past, ...own]);
        };
        const { keys: pastKeys, values: pastValues } = sequences[row]!;
        const expected = attentionReference(
          query,
          ofHead(pastKeys, ownKey),
          ofHead(pastValues, ownValue),
          position,
          window,
        );
        const columns = heads * headDim;
        const joined = expected.map((_, i) => actual[arrangedAt(head * headDim + i, row, columns, 8)]!);
        expectClose(joined, expected, 2e-5);
        const at = (row * heads + head) * headDim;
        expectClose(ofPrompts.slice(at, at + headDim), expected, 2e-5);
      }
    }
    // Nothing but the rows' own entries was written.
    const before = positions.reduce((sum, last) => sum + Math.min(last + 1, tableLength * BLOCK), 0);
    const untouched = new Uint32Array(cachedKeys.buffer).filter((word) => word === POISON).length;
    expect(untouched).toBe(((cells - before) * entry) / 2);
  });
});
