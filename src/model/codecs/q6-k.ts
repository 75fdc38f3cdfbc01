import { type Codec, putU16, u16At } from './codec.ts';
import { f16Table, f32ToF16 } from './half.ts';
import { clamp, extreme, roundEven, TINY } from './rounding.ts';

/*
 * Q6_K: super-blocks of 256 in 210 bytes, sixteen sub-blocks of 16, value = d * scale * (q - 32).
 *   0  128 bytes: low 4 bits. Of each half of 128 elements, byte i holds elements i (low nibble) and i + 64 (high), i < 64
 * 128  64 bytes: high 2 bits. Of each half, byte i holds elements i, i + 32, i + 64, i + 96, lowest bits first
 * 192  16 int8 scales
 * 208  f16 d
 */
const SIZE = 256;
const BYTES = 210;
const SUB_SIZE = 16;
const SUB_BLOCKS = 16;
const HIGH = 128;
const SCALES = 192;
const D = 208;
const { fround } = Math;

/**
 * Scale of one sub-block: of 19 grids around the one that puts the extreme value on -32, the one with the least squared error
 * weighted by x², after a least-squares fit (ggml's make_qx_quants with nmax 32, rmse_type 1). Writes levels 0–63.
 */
function fitSubBlock(x: Float32Array, from: number, levels: Uint8Array, to: number): number {
  const max = extreme(x, from, SUB_SIZE);
  if (Math.abs(max) < TINY) {
    levels.fill(0, to, to + SUB_SIZE);
    return 0;
  }
  const levelOf = (inverse: number, i: number): number => clamp(roundEven(inverse * x[from + i]), -32, 31);
  let sumLX = 0;
  let sumL2 = 0;
  const sums = (inverse: number): void => {
    sumLX = 0;
    sumL2 = 0;
    for (let i = 0; i < SUB_SIZE; i++) {
      const value = x[from + i];
      const level = levelOf(inverse, i);
      const weight = fround(value * value);
      sumLX = fround(sumLX + fround(fround(weight * value) * level));
      sumL2 = fround(sumL2 + fround(fround(weight * level) * level));
    }
  };
  const store = (inverse: number): void => {
    for (let i = 0; i < SUB_SIZE; i++) levels[to + i] = levelOf(inverse, i) + 32;
  };

  const first = fround(-32 / max);
  sums(first);
  store(first);
  let scale = sumL2 ? fround(sumLX / sumL2) : 0;
  let best = fround(scale * sumLX);
  for (let step = -9; step <= 9; step++) {
    if (step === 0) continue;
    const inverse = fround(-fround(32 + fround(fround(0.1) * step)) / max);
    sums(inverse);
    if (sumL2 > 0 && fround(sumLX * sumLX) > fround(best * sumL2)) {
      store(inverse);
      scale = fround(sumLX / sumL2);
      best = fround(scale * sumLX);
    }
  }
  return scale;
}

/** Where element `i` of a super-block keeps its bits. */
function place(i: number): { low: number; lowShift: number; high: number; highShift: number } {
  const half = i >> 7;
  const within = i & 127;
  return {
    low: half * 64 + (within & 63),
    lowShift: (within >> 6) * 4,
    high: HIGH + half * 32 + (within & 31),
    highShift: (within >> 5) * 2,
  };
}

const PLACES = Array.from({ length: SIZE }, (_, i) => place(i));

export const q6_k: Codec = {
  type: 'Q6_K',
  dequantize(blocks) {
    const table = f16Table();
    const values = new Float32Array((blocks.length / BYTES) * SIZE);
    for (let at = 0, out = 0; at < blocks.length; at += BYTES, out += SIZE) {
      const d = table[u16At(blocks, at + D)];
      for (let i = 0; i < SIZE; i++) {
        const { low, lowShift, high, highShift } = PLACES[i];
        const scale = d * ((blocks[at + SCALES + (i >> 4)] << 24) >> 24);
        const q = ((blocks[at + low] >> lowShift) & 15) | (((blocks[at + high] >> highShift) & 3) << 4);
        values[out + i] = scale * (q - 32);
      }
    }
    return values;
  },
  quantize(values) {
    const table = f16Table();
    const blocks = new Uint8Array((values.length / SIZE) * BYTES);
    const levels = new Uint8Array(SIZE);
    const scales = new Float32Array(SUB_BLOCKS);
    for (let at = 0, from = 0; from < values.length; at += BYTES, from += SIZE) {
      for (let j = 0; j < SUB_BLOCKS; j++) {
        scales[j] = fitSubBlock(values, from + j * SUB_SIZE, levels, j * SUB_SIZE);
      }
      const maxScale = extreme(scales, 0, SUB_BLOCKS);
      // All zero: the block's bytes, d included, stay 0.
      if (Math.abs(maxScale) < TINY) continue;
      const inverse = fround(-128 / maxScale);
      putU16(blocks, at + D, f32ToF16(fround(1 / inverse)));
      const d = table[u16At(blocks, at + D)];
      for (let j = 0; j < SUB_BLOCKS; j++) {
        const scale = Math.min(127, roundEven(inverse * scales[j]));
        blocks[at + SCALES + j] = scale;
        const step = d * scale;
        if (step === 0) continue;
        for (let i = j * SUB_SIZE; i < (j + 1) * SUB_SIZE; i++) {
          levels[i] = clamp(roundEven(values[from + i] / step), -32, 31) + 32;
        }
      }
      for (let i = 0; i < SIZE; i++) {
        const { low, lowShift, high, highShift } = PLACES[i];
        blocks[at + low] |= (levels[i] & 15) << lowShift;
        blocks[at + high] |= (levels[i] >> 4) << highShift;
      }
    }
    return blocks;
  },
};
