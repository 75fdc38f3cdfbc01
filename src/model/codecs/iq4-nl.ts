import { type Codec, putU16, u16At } from './codec.ts';
import { f16Table, f32ToF16 } from './half.ts';
import { extreme, TINY } from './rounding.ts';

/*
 * IQ4_NL: blocks of 32 in 18 bytes, value = d * CURVE[q].
 *   0  f16 d
 *   2  16 bytes: low nibbles are elements 0–15, high nibbles 16–31
 */
const SIZE = 32;
const BYTES = 18;
/** What the 16 levels stand for: steps that widen away from 0 (kvalues in gguf-py's quants.py). */
const CURVE = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
const { fround } = Math;

/** The level nearest to `value`, the higher of two as near. */
function levelOf(value: number): number {
  let level = 0;
  // In f32, as ggml: both differences lose bits for values between levels.
  while (level < 15 && fround(value - CURVE[level]) >= fround(CURVE[level + 1] - value)) level++;
  return level;
}

/**
 * Scale of a block: of 16 grids around those that put the extreme value at either end, the one with the least squared error
 * weighted by x², after a least-squares fit (ggml's quantize_row_iq4_nl_impl with ntry 7).
 */
function fitBlock(x: Float32Array, from: number): number {
  const max = extreme(x, from, SIZE);
  if (Math.abs(max) < TINY) return 0;
  let sumQX = 0;
  let sumQ2 = 0;
  const sums = (inverse: number): void => {
    sumQX = 0;
    sumQ2 = 0;
    for (let i = 0; i < SIZE; i++) {
      const value = x[from + i];
      const q = CURVE[levelOf(fround(inverse * value))];
      const weighted = fround(fround(value * value) * q);
      sumQX = fround(sumQX + fround(weighted * value));
      sumQ2 = fround(sumQ2 + fround(weighted * q));
    }
  };
  sums(fround(1 / fround(-max / CURVE[0])));
  let scale = sumQ2 > 0 ? fround(sumQX / sumQ2) : 0;
  let best = fround(scale * sumQX);
  for (let step = -7; step <= 7; step++) {
    sums(fround((step + CURVE[0]) / max));
    if (sumQ2 > 0 && fround(sumQX * sumQX) > fround(best * sumQ2)) {
      scale = fround(sumQX / sumQ2);
      best = fround(scale * sumQX);
    }
  }
  return scale;
}

export const iq4_nl: Codec = {
  type: 'IQ4_NL',
  dequantize(blocks) {
    const table = f16Table();
    const values = new Float32Array((blocks.length / BYTES) * SIZE);
    for (let at = 0, out = 0; at < blocks.length; at += BYTES, out += SIZE) {
      const d = table[u16At(blocks, at)];
      for (let i = 0; i < 16; i++) {
        const pair = blocks[at + 2 + i];
        values[out + i] = d * CURVE[pair & 15];
        values[out + i + 16] = d * CURVE[pair >> 4];
      }
    }
    return values;
  },
  quantize(values) {
    const blocks = new Uint8Array((values.length / SIZE) * BYTES);
    for (let at = 0, from = 0; from < values.length; at += BYTES, from += SIZE) {
      const d = fitBlock(values, from);
      const inverse = d ? fround(1 / d) : 0;
      putU16(blocks, at, f32ToF16(d));
      const level = (i: number): number => levelOf(fround(values[from + i] * inverse));
      for (let i = 0; i < 16; i++) blocks[at + 2 + i] = level(i) | (level(i + 16) << 4);
    }
    return blocks;
  },
};
