import { type Codec, putU16, u16At } from './codec.ts';
import { f16Table, f32ToF16 } from './half.ts';
import { extreme, roundAway } from './rounding.ts';

/*
 * Q8_0: blocks of 32 in 34 bytes, value = d * q.
 *   0  f16 d
 *   2  32 int8
 */
const SIZE = 32;
const BYTES = 34;
const { fround } = Math;

export const q8_0: Codec = {
  type: 'Q8_0',
  dequantize(blocks) {
    const table = f16Table();
    const values = new Float32Array((blocks.length / BYTES) * SIZE);
    for (let at = 0, out = 0; at < blocks.length; at += BYTES, out += SIZE) {
      const d = table[u16At(blocks, at)];
      for (let i = 0; i < SIZE; i++) values[out + i] = d * ((blocks[at + 2 + i] << 24) >> 24);
    }
    return values;
  },
  quantize(values) {
    const blocks = new Uint8Array((values.length / SIZE) * BYTES);
    for (let at = 0, from = 0; from < values.length; at += BYTES, from += SIZE) {
      const d = fround(Math.abs(extreme(values, from, SIZE)) / 127);
      const inverse = d ? fround(1 / d) : 0;
      putU16(blocks, at, f32ToF16(d));
      for (let i = 0; i < SIZE; i++) blocks[at + 2 + i] = roundAway(fround(values[from + i] * inverse));
    }
    return blocks;
  },
};
