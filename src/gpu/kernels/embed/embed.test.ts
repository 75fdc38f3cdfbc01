import { afterAll, beforeAll, expect, test } from 'vitest';
import { bufferWith, openTestDevice, randomSource, runAndRead } from '../../../../tests/gpu/test-device.ts';
import { f32ToF16 } from '../../../model/codecs/half.ts';
import { dequantize } from '../../../model/codecs/registry.ts';
import { TENSOR_TYPES, type TensorType, tensorBytes } from '../../../model/tensor.ts';
import { COPY_DST, type GpuDevice, UNIFORM } from '../../device.ts';
import { Kernel } from '../../kernel.ts';
import { SLOT_WORDS } from '../../rows.ts';
import rowsText from '../../rows.wgsl?raw';
import { WeightUploader } from '../repack/upload.ts';
import { createWeightMatrix, type WeightMatrix, weightBindings, weightText } from '../weights/weights.ts';
import embedText from './embed.wgsl?raw';

/* How a weight travels: stored bytes, repacked by repack/, read by weights/, seen through embed, which reads whole rows. */

const TYPES = Object.keys(TENSOR_TYPES) as TensorType[];
const COLUMNS = 256;
/** Another width, so that rows begin in the middle of what is packed: an odd number of blocks. */
const OTHER_COLUMNS = { 1: 224, 32: 224, 256: 768 };
const ROWS = 13;
const CONTEXT = 16;
const SLOTS = 3;
/** Some rows of each type a part: 1 of 256 F32, 8 of 256 Q4_0. */
const MAX_BINDING_BYTES = 1100;

let device: GpuDevice;
let close: () => void;

beforeAll(async () => ({ device, close } = await openTestDevice({ maxBindingBytes: MAX_BINDING_BYTES })));
afterAll(() => close());

/** Where half-precision scales stand in a block. */
const SCALE_OFFSETS: Partial<Record<TensorType, number[]>> = {
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q8_0: [0],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
  IQ4_NL: [0],
};

/** Stored bytes in which every bit is random, but for numbers that must be finite. */
function randomBlocks(type: TensorType, columns = COLUMNS): Uint8Array<ArrayBuffer> {
  const random = randomSource(type.length * 7 + type.charCodeAt(1));
  const count = ROWS * columns;
  if (type === 'F32') return new Uint8Array(random.normals(count).buffer);
  if (type === 'F16') return new Uint8Array(Uint16Array.from(random.normals(count), f32ToF16).buffer);
  // The upper half of an f32 is a bf16.
  if (type === 'BF16')
    return new Uint8Array(new Uint16Array(random.normals(count).buffer).filter((_, i) => i % 2 === 1).buffer);
  const bytes = Uint8Array.from(random.bytes(tensorBytes(type, count)));
  const view = new DataView(bytes.buffer);
  for (let block = 0; block < bytes.length; block += TENSOR_TYPES[type].blockBytes) {
    for (const offset of SCALE_OFFSETS[type]!) view.setUint16(block + offset, f32ToF16(random.normal()), true);
  }
  return bytes;
}

/** Uploads in pieces of 1, 3, 5, … blocks, so that pieces end inside rows, words of scales and parts. */
async function upload(type: TensorType, stored: Uint8Array<ArrayBuffer>, columns = COLUMNS): Promise<WeightMatrix> {
  const matrix = createWeightMatrix(device, { label: type, type, rows: ROWS, columns });
  const uploader = await WeightUploader.create(device, [type]);
  // Sources cut at multiples of 4 bytes.
  const unit = TENSOR_TYPES[type].blockBytes === 2 ? 4 : TENSOR_TYPES[type].blockBytes;
  for (let offset = 0, count = 1; offset < stored.length; offset += count * unit, count += 2) {
    const piece = stored.slice(offset, offset + count * unit);
    await uploader.upload(matrix, 0, offset, piece);
    // It may be given to another thread from here on.
    structuredClone(piece.buffer, { transfer: [piece.buffer] });
  }
  uploader.flush();
  uploader.destroy();
  return matrix;
}

interface Batch {
  generated: boolean;
  /** Row: slot, position, token. */
  rows: [slot: number, position: number, token: number][];
  /** Slot: token, position. */
  slots?: [token: number, position: number][];
}

async function embed(matrix: WeightMatrix, { generated, rows, slots = [] }: Batch, scale = 1) {
  const { columns } = matrix;
  const kernel = await Kernel.compile(device, {
    label: 'embed',
    constants: { COLUMNS: columns, CONTEXT, F_EMBEDDING_SCALE: scale },
    parts: [rowsText, weightText(matrix.type), embedText],
  });
  const uniform = (words: number[]) => {
    const buffer = device.createBuffer('params', 16, UNIFORM | COPY_DST);
    device.device.queue.writeBuffer(buffer, 0, Uint32Array.from(words));
    return buffer;
  };
  const words = (data: number[]) => bufferWith(device, 'words', Uint32Array.from(data));
  const batch = uniform([rows.length, 0, generated ? 1 : 0, 0]);
  const slotBuffer = words(
    Array.from({ length: SLOTS * SLOT_WORDS }, (_, i) => slots[Math.floor(i / SLOT_WORDS)]?.[i % SLOT_WORDS] ?? 0),
  );
  const rowBuffer = words(rows.flatMap((row) => [...row, 0]));
  const history = words(new Array<number>(SLOTS * CONTEXT).fill(0));
  const x = bufferWith(device, 'x', new Float32Array(rows.length * columns).fill(Number.NaN));
  const dispatches = matrix.parts.map((part) =>
    kernel.bind(
      [[batch, uniform([part.firstRow, part.rows]), slotBuffer, rowBuffer, history, x], weightBindings(part)],
      [rows.length],
    ),
  );
  return {
    x: await runAndRead(device, dispatches, x, rows.length * columns),
    rows: [...new Uint32Array(await device.read(rowBuffer, rows.length * 16))],
    history: [...new Uint32Array(await device.read(history, SLOTS * CONTEXT * 4))],
  };
}

function historyWith(entries: Record<number, number>): number[] {
  return Array.from({ length: SLOTS * CONTEXT }, (_, i) => entries[i] ?? 0);
}

const WIDTHS = TYPES.flatMap((type) =>
  [COLUMNS, OTHER_COLUMNS[TENSOR_TYPES[type].blockSize]].map((n) => [type, n] as const),
);

test.each(WIDTHS.flatMap(([type, columns]) => [['GPU', type, columns] as const, ['CPU', type, columns] as const]))(
  'repacked on the %s, %s in rows of %i: stored bytes come back bit for bit as dequantize() reads them',
  async (repacker, type, columns) => {
    device.features.naive = repacker === 'CPU';
    const stored = randomBlocks(type, columns);
    const matrix = await upload(type, stored, columns);
    expect(matrix.parts.length).toBeGreaterThan(1);
    const tokens = Array.from({ length: ROWS }, (_, token) => ROWS - 1 - token);
    const { x } = await embed(matrix, { generated: false, rows: tokens.map((token) => [0, token, token]) });
    const expected = dequantize(type, stored);
    for (const [row, token] of tokens.entries()) {
      const actual = x.slice(row * columns, (row + 1) * columns);
      expect(actual, `row ${token}`).toEqual(expected.slice(token * columns, (token + 1) * columns));
    }
  },
);

test('prompt rows bring their token and position, and both go into the history', async () => {
  const stored = randomBlocks('Q8_0');
  const matrix = await upload('Q8_0', stored);
  const result = await embed(
    matrix,
    {
      generated: false,
      rows: [
        [1, 4, 12],
        [1, 5, 0],
      ],
      slots: [
        [3, 3],
        [3, 3],
      ],
    },
    2.5,
  );
  const expected = dequantize('Q8_0', stored);
  expect(result.x.slice(0, COLUMNS)).toEqual(expected.slice(12 * COLUMNS, 13 * COLUMNS).map((value) => value * 2.5));
  expect(result.x.slice(COLUMNS)).toEqual(expected.slice(0, COLUMNS).map((value) => value * 2.5));
  expect(result.rows).toEqual([1, 4, 12, 0, 1, 5, 0, 0]);
  expect(result.history).toEqual(historyWith({ [CONTEXT + 4]: 12, [CONTEXT + 5]: 0 }));
});

test('generated rows take token and position from their slot, whatever the row said before', async () => {
  const stored = randomBlocks('Q4_0');
  const matrix = await upload('Q4_0', stored);
  const result = await embed(matrix, {
    generated: true,
    rows: [
      [2, 9, 9],
      [0, 9, 9],
    ],
    slots: [
      [11, 15],
      [9, 9],
      [7, 0],
    ],
  });
  const expected = dequantize('Q4_0', stored);
  expect(result.x.slice(0, COLUMNS)).toEqual(expected.slice(7 * COLUMNS, 8 * COLUMNS));
  expect(result.x.slice(COLUMNS)).toEqual(expected.slice(11 * COLUMNS, 12 * COLUMNS));
  expect(result.rows).toEqual([2, 0, 7, 0, 0, 15, 11, 0]);
  expect(result.history).toEqual(historyWith({ [2 * CONTEXT]: 7, 15: 11 }));
});
