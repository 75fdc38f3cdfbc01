import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  bufferWith,
  expectClose,
  openTestDevice,
  randomSource,
  runAndRead,
} from '../../../../tests/gpu/test-device.ts';
import { f16Table } from '../../../model/codecs/half.ts';
import type { GpuDevice } from '../../device.ts';
import { Kernel } from '../../kernel.ts';
import rowsText from '../../rows.wgsl?raw';
import fused from '../madd/fused.wgsl?raw';
import plain from '../madd/plain.wgsl?raw';
import { ropeAngles } from './angles.ts';
import cacheText from './cache.wgsl?raw';
import { ropeReference } from './reference.ts';
import ropeText from './rope.wgsl?raw';

/** Large enough to count. */
const EPSILON = 0.1;
const QUERY_SCALE = 0.0625;
const POSITIONS = 1024;
/** Blocks of 64 positions, a slot: positions from 256 on wrap around. */
const TABLE_LENGTH = 4;
/** In no order, so that only the table leads to an entry. The second slot's blocks lie among the first's. */
const TABLE = [5, 0, 7, 2, 1, 6, 3, 4];
/** In an entry that no row has written. */
const UNTOUCHED = 0x7bff7bff;

/** Both sides of a block, the last one before a ring wraps, and far out; two slots. */
const ROWS = [
  { slot: 0, position: 0 },
  { slot: 1, position: 63 },
  { slot: 0, position: 64 },
  { slot: 1, position: 255 },
  { slot: 0, position: 256 + 130 },
  { slot: 1, position: 1000 },
];

const SHAPES = [
  { headDim: 32, heads: 2, kvHeads: 1, workgroup: 8 },
  { headDim: 32, heads: 4, kvHeads: 4, workgroup: 16 },
  { headDim: 96, heads: 4, kvHeads: 2, workgroup: 8 },
  { headDim: 96, heads: 3, kvHeads: 3, workgroup: 32 },
  { headDim: 256, heads: 4, kvHeads: 1, workgroup: 8 },
  { headDim: 256, heads: 2, kvHeads: 2, workgroup: 128 },
];

let device: GpuDevice;
let close: () => void;

beforeAll(async () => ({ device, close } = await openTestDevice()));
afterAll(() => close());

describe.each(SHAPES)('$heads + 2 · $kvHeads heads of $headDim, workgroups of $workgroup', (shape) => {
  const { headDim, heads, kvHeads, workgroup } = shape;
  const random = randomSource(headDim + workgroup);
  const allHeads = heads + 2 * kvHeads;
  const qkv = random.normals(ROWS.length * allHeads * headDim, 3);
  const qNorm = random.normals(headDim);
  const kNorm = random.normals(headDim);
  const angles = ropeAngles(headDim, POSITIONS, 10_000, 1);
  const entryWords = (kvHeads * headDim) / 2;
  let queries: Float32Array;
  let keys: Uint32Array;
  let values: Uint32Array;

  beforeAll(async () => {
    const kernel = await Kernel.compile(device, {
      label: 'rope',
      constants: {
        HEADS: heads,
        KV_HEADS: kvHeads,
        HEAD_DIM: headDim,
        WORKGROUP: workgroup,
        TABLE_LENGTH,
        F_EPSILON: EPSILON,
        F_QUERY_SCALE: QUERY_SCALE,
      },
      parts: [rowsText, workgroup === 8 ? plain : fused, cacheText, ropeText],
    });
    const words = (data: number[]) => bufferWith(device, 'words', Uint32Array.from(data));
    const cache = () => words(new Array<number>(TABLE.length * 64 * entryWords).fill(UNTOUCHED));
    const buffers = {
      rows: words(ROWS.flatMap(({ slot, position }) => [slot, position, 0, 0])),
      qkv: bufferWith(device, 'qkv', qkv),
      qNorm: bufferWith(device, 'q norm', qNorm),
      kNorm: bufferWith(device, 'k norm', kNorm),
      angles: bufferWith(device, 'angles', angles),
      table: words(TABLE),
      keys: cache(),
      values: cache(),
    };
    const dispatch = kernel.bind([Object.values(buffers)], [allHeads, ROWS.length]);
    queries = await runAndRead(device, [dispatch], buffers.qkv, qkv.length);
    keys = new Uint32Array(await device.read(buffers.keys, buffers.keys.size));
    values = new Uint32Array(await device.read(buffers.values, buffers.values.size));
  });

  /** Where a head of a row stands in qkv: queries, then keys, then values. */
  function headOf(data: Float32Array, row: number, head: number): Float32Array {
    const at = (row * allHeads + head) * headDim;
    return data.slice(at, at + headDim);
  }

  function anglesAt(position: number): Float32Array {
    return angles.slice(position * headDim, (position + 1) * headDim);
  }

  /** A head of a row's cache entry, unpacked. */
  function cached(cache: Uint32Array, { slot, position }: (typeof ROWS)[number], head: number): Float32Array {
    const block = TABLE[slot * TABLE_LENGTH + (Math.floor(position / 64) % TABLE_LENGTH)]!;
    const at = ((block * 64 + (position % 64)) * kvHeads + head) * (headDim / 2);
    const halves = f16Table();
    return Float32Array.from({ length: headDim }, (_, i) => {
      const word = cache[at + (i >> 1)]!;
      return halves[i & 1 ? word >>> 16 : word & 0xffff]!;
    });
  }

  /** Every element within one step of a half, since a GPU may round either way. */
  function expectHalves(actual: Float32Array, expected: Float32Array): void {
    const off = expected.filter((value, i) => !(Math.abs(actual[i]! - value) <= Math.abs(value) * 2 ** -10 + 2 ** -23));
    expect([...off]).toEqual([]);
  }

  test('queries are normed, turned and scaled in place', () => {
    for (const [row, { position }] of ROWS.entries()) {
      for (let head = 0; head < heads; head++) {
        const turned = ropeReference(headOf(qkv, row, head), qNorm, EPSILON, anglesAt(position));
        const expected = turned.map((value) => value * QUERY_SCALE);
        expectClose(headOf(queries, row, head), expected, 1e-6);
      }
    }
  });

  test('keys are normed, turned and cached as halves', () => {
    for (const [row, place] of ROWS.entries()) {
      for (let head = 0; head < kvHeads; head++) {
        const expected = ropeReference(headOf(qkv, row, heads + head), kNorm, EPSILON, anglesAt(place.position));
        expectHalves(cached(keys, place, head), expected);
      }
    }
  });

  test('values are cached as they are, as halves', () => {
    for (const [row, place] of ROWS.entries()) {
      for (let head = 0; head < kvHeads; head++) {
        expectHalves(cached(values, place, head), headOf(qkv, row, heads + kvHeads + head));
      }
    }
  });

  test('no other entry is written', () => {
    for (const cache of [keys, values]) {
      const written = cache.filter((word) => word !== UNTOUCHED).length;
      expect(written).toBe(ROWS.length * entryWords);
    }
  });
});

test('angles are those of theta and scale, rounded to f32 on the way', () => {
  const headDim = 256;
  const angles = ropeAngles(headDim, POSITIONS, 1_000_000, 8);
  for (const position of [0, 1, 63, 1000]) {
    for (const i of [0, 1, 64, 127]) {
      const angle = position / 8 / 1_000_000 ** ((2 * i) / headDim);
      const at = position * headDim + 2 * i;
      // The angle is an f32, and so are the frequency and its power.
      expect(Math.abs(angles[at]! - Math.cos(angle))).toBeLessThan(angle * 3e-7 + 1e-7);
      expect(Math.abs(angles[at + 1]! - Math.sin(angle))).toBeLessThan(angle * 3e-7 + 1e-7);
    }
  }
});
