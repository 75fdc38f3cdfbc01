import { type Codec, putU16, u16At } from './codec.ts';
import { f16Table, f32ToF16 } from './half.ts';
import { extreme } from './rounding.ts';

/*
 * Q4_0: blocks of 32 in 18 bytes, value = d * (q - 8).
 *   0  f16 d
 *   2  16 bytes: low nibbles are elements 0–15, high nibbles 16–31
 */
const SIZE = 32;
const BYTES = 18;
const { fround } = Math;

export const q4_0: Codec = {
  type: 'Q4_0',
  dequantize(blocks) {
    const table = f16Table();
    const values = new Float32Array((blocks.length / BYTES) * SIZE);
    for (let at = 0, out = 0; at < blocks.length; at += BYTES, out += SIZE) {
      const d = table[u16At(blocks, at)];
      for (let i = 0; i < 16; i++) {
        const pair = blocks[at + 2 + i];
        values[out + i] = d * ((pair & 15) - 8);
        values[out + i + 16] = d * ((pair >> 4) - 8);
      }
    }
    return values;
  },
  quantize(values) {
    const blocks = new Uint8Array((values.length / SIZE) * BYTES);
    for (let at = 0, from = 0; from < values.length; at += BYTES, from += SIZE) {
      // The value furthest from 0 becomes -8 exactly, whatever its sign.
      const d = fround(extreme(values, from, SIZE) / -8);
      const inverse = d ? fround(1 / d) : 0;
      putU16(blocks, at, f32ToF16(d));
      const level = (i: number): number => Math.min(15, fround(fround(values[from + i] * inverse) + 8.5) | 0);
      for (let i = 0; i < 16; i++) blocks[at + 2 + i] = level(i) | (level(i + 16) << 4);
    }
    return blocks;
  },
};
