import { type Codec, putU16, u16At } from './codec.ts';
import { f16Table, f32ToF16 } from './half.ts';
import { extent } from './rounding.ts';

/*
 * Q5_1: blocks of 32 in 24 bytes, value = d * q + m.
 *   0  f16 d, f16 m
 *   4  u32: bit i is the fifth bit of element i
 *   8  16 bytes: low nibbles are elements 0–15, high nibbles 16–31
 */
const SIZE = 32;
const BYTES = 24;
const { fround } = Math;

export const q5_1: Codec = {
  type: 'Q5_1',
  dequantize(blocks) {
    const table = f16Table();
    const values = new Float32Array((blocks.length / BYTES) * SIZE);
    for (let at = 0, out = 0; at < blocks.length; at += BYTES, out += SIZE) {
      const d = table[u16At(blocks, at)];
      const m = table[u16At(blocks, at + 2)];
      const fifth = u16At(blocks, at + 4) | (u16At(blocks, at + 6) << 16);
      for (let i = 0; i < 16; i++) {
        const pair = blocks[at + 8 + i];
        values[out + i] = d * ((pair & 15) | (((fifth >>> i) & 1) << 4)) + m;
        values[out + i + 16] = d * ((pair >> 4) | (((fifth >>> (i + 16)) & 1) << 4)) + m;
      }
    }
    return values;
  },
  quantize(values) {
    const blocks = new Uint8Array((values.length / SIZE) * BYTES);
    for (let at = 0, from = 0; from < values.length; at += BYTES, from += SIZE) {
      const { min, max } = extent(values, from, SIZE);
      const d = fround(fround(max - min) / 31);
      const inverse = d ? fround(1 / d) : 0;
      putU16(blocks, at, f32ToF16(d));
      putU16(blocks, at + 2, f32ToF16(min));
      const level = (i: number): number => fround(fround(fround(values[from + i] - min) * inverse) + 0.5) | 0;
      for (let i = 0; i < 16; i++) {
        const low = level(i);
        const high = level(i + 16);
        blocks[at + 8 + i] = (low & 15) | ((high & 15) << 4);
        blocks[at + 4 + (i >> 3)] |= (low >> 4) << (i & 7);
        blocks[at + 6 + (i >> 3)] |= (high >> 4) << (i & 7);
      }
    }
    return blocks;
  },
};
