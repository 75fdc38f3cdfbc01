import { afterAll, beforeAll, describe, test } from 'vitest';
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
import plain from '../madd/plain.wgsl?raw';
import cacheText from '../rope/cache.wgsl?raw';
import attentionText from './attention.wgsl?raw';
import reduceText from './reduce.wgsl?raw';
import { attentionReference } from './reference.ts';

const BLOCK = 64;
/** Two halves that would spoil every sum they got into: in entries that no position of the sequence has. */
const POISON = 0x7bff7bff;

/** One sequence per row, which ends at that row. Positions lie on both sides of the edges of blocks and of the window. */
const CASES = [
  {
    name: 'global, one KV head for two heads',
    heads: 2,
    kvHeads: 1,
    headDim: 32,
    window: 0,
    tableLength: 8,
    positions: [0, 1, 62, 63, 64, 127, 128, 511],
  },
  {
    name: 'global, four heads share one KV head of 256',
    heads: 4,
    kvHeads: 1,
    headDim: 256,
    window: 0,
    tableLength: 3,
    positions: [0, 63, 64, 190],
  },
  {
    name: 'a window smaller than a block, in a ring that wraps',
    heads: 4,
    kvHeads: 2,
    headDim: 32,
    window: 32,
    tableLength: 2,
    positions: [0, 30, 31, 32, 63, 64, 95, 700],
  },
  {
    name: 'a window of two blocks and a bit, a head for each KV head',
    heads: 2,
    kvHeads: 2,
    headDim: 96,
    window: 150,
    tableLength: 4,
    positions: [63, 148, 149, 150, 191, 213, 214, 850],
  },
  {
    name: 'a window of whole blocks, in the smallest ring that holds it',
    heads: 8,
    kvHeads: 2,
    headDim: 32,
    window: 128,
    tableLength: 3,
    positions: [126, 127, 128, 191, 192, 254, 255, 256],
  },
  {
    name: 'scores so far apart that the running maximum matters',
    heads: 2,
    kvHeads: 1,
    headDim: 32,
    window: 0,
    tableLength: 6,
    positions: [5, 70, 200, 383],
    sharpness: 4,
  },
];

let device: GpuDevice;
let close: () => void;

beforeAll(async () => ({ device, close } = await openTestDevice()));
afterAll(() => close());

describe.each(CASES)('$name', ({ heads, kvHeads, headDim, window, tableLength, positions, sharpness = 0.4 }) => {
  const random = randomSource(heads * 1000 + headDim + window);
  const entryElements = kvHeads * headDim;
  const allHeads = heads + 2 * kvHeads;
  const qkv = random.normals(positions.length * allHeads * headDim, sharpness);
  const halves = f16Table();
  /** Keys and values of each row's sequence, [positions][kvHeads][headDim], as halves can hold them. */
  const sequences = positions.map((position) => {
    const sequence = () =>
      Float32Array.from({ length: (position + 1) * entryElements }, () => halves[f32ToF16(random.normal())]!);
    return { keys: sequence(), values: sequence() };
  });
  /** Each slot's blocks, shuffled over the whole cache. */
  const table = shuffled(positions.length * tableLength, random.uniform);

  /** What rope leaves in the cache: a position is written over what stood there one round before. */
  function cacheOf(kind: 'keys' | 'values'): Uint32Array<ArrayBuffer> {
    const cache = new Uint32Array((table.length * BLOCK * entryElements) / 2).fill(POISON);
    const bits = new Uint16Array(cache.buffer);
    positions.forEach((last, slot) => {
      for (let position = Math.max(0, last + 1 - tableLength * BLOCK); position <= last; position++) {
        const block = table[slot * tableLength + (Math.floor(position / BLOCK) % tableLength)]!;
        const from = sequences[slot]![kind].subarray(position * entryElements, (position + 1) * entryElements);
        bits.set(Uint16Array.from(from, f32ToF16), (block * BLOCK + (position % BLOCK)) * entryElements);
      }
    });
    return cache;
  }

  /** One head of a sequence, [positions][headDim]. */
  function headOf(sequence: Float32Array, kvHead: number): Float32Array {
    return sequence.filter((_, i) => Math.floor(i / headDim) % kvHeads === kvHead);
  }

  function expected(): Float32Array {
    const out = new Float32Array(positions.length * heads * headDim);
    positions.forEach((position, row) => {
      for (let head = 0; head < heads; head++) {
        const at = (row * allHeads + head) * headDim;
        const kvHead = Math.floor(head / (heads / kvHeads));
        const { keys, values } = sequences[row]!;
        const q = qkv.slice(at, at + headDim);
        const result = attentionReference(q, headOf(keys, kvHead), headOf(values, kvHead), position, window);
        out.set(result, (row * heads + head) * headDim);
      }
    });
    return out;
  }

  /** Runs one form. `splits` is what a generated row has room for, `blocksPerSplit` 0 the form for prompt rows. */
  async function run(blocksPerSplit: number, madd: string): Promise<Float32Array> {
    const blocks = window === 0 ? tableLength : Math.min(tableLength, Math.ceil(window / BLOCK) + 1);
    const splits = Math.ceil(blocks / Math.max(1, blocksPerSplit));
    const constants = {
      HEADS: heads,
      HEAD_DIM: headDim,
      WINDOW: window,
      SPLITS: splits,
      TABLE_LENGTH: tableLength,
      BLOCKS_PER_SPLIT: blocksPerSplit,
    };
    const shared = [rowsText, madd, cacheText];
    const kernel = await Kernel.compile(device, {
      label: 'attention',
      constants: { ...constants, KV_HEADS: kvHeads },
      parts: [...shared, attentionText],
    });
    const rows = bufferWith(
      device,
      'rows',
      Uint32Array.from(positions.flatMap((position, slot) => [slot, position, 0, 0])),
    );
    const count = positions.length * heads * headDim;
    const out = bufferWith(device, 'out', new Float32Array(count).fill(Number.NaN));
    const partialCount = positions.length * heads * splits * (headDim + 2);
    const partials = bufferWith(device, 'partials', new Float32Array(partialCount).fill(1e30));
    const bindings = [
      rows,
      bufferWith(device, 'qkv', qkv),
      bufferWith(device, 'table', table),
      bufferWith(device, 'keys', cacheOf('keys')),
      bufferWith(device, 'values', cacheOf('values')),
    ];
    if (blocksPerSplit === 0) {
      return runAndRead(device, [kernel.bind([[...bindings, out]], [heads, positions.length])], out, count);
    }
    const reduce = await Kernel.compile(device, { label: 'reduce', constants, parts: [...shared, reduceText] });
    const dispatches = [
      kernel.bind([[...bindings, partials]], [heads, positions.length, splits]),
      reduce.bind([[rows, partials, out]], [heads, positions.length]),
    ];
    return runAndRead(device, dispatches, out, count);
  }

  // WGSL's exp may be off by |x| units in the last place of its result.
  const tolerance = sharpness > 1 ? 2e-5 : 2e-6;

  test('prompt rows', async () => {
    expectRows(await run(0, fused));
  });

  test('generated rows, a split for each block', async () => {
    expectRows(await run(1, plain));
  });

  test('generated rows, two blocks a split', async () => {
    expectRows(await run(2, fused));
  });

  function expectRows(actual: Float32Array): void {
    const reference = expected();
    const rowElements = heads * headDim;
    for (const row of positions.keys()) {
      const [from, to] = [row * rowElements, (row + 1) * rowElements];
      expectClose(actual.slice(from, to), reference.slice(from, to), tolerance);
    }
  }
});

function shuffled(count: number, uniform: () => number): Uint32Array<ArrayBuffer> {
  const numbers = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(uniform() * (i + 1));
    [numbers[i], numbers[j]] = [numbers[j]!, numbers[i]!];
  }
  return numbers;
}
