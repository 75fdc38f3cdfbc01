import { type Codec, putU16, u16At } from './codec.ts';
import { f16Table, f32ToF16 } from './half.ts';

/** F16: IEEE half precision, little-endian. */
export const f16: Codec = {
  type: 'F16',
  dequantize(blocks) {
    const table = f16Table();
    const values = new Float32Array(blocks.length / 2);
    for (let i = 0; i < values.length; i++) values[i] = table[u16At(blocks, 2 * i)];
    return values;
  },
  quantize(values) {
    const blocks = new Uint8Array(values.length * 2);
    for (let i = 0; i < values.length; i++) putU16(blocks, 2 * i, f32ToF16(values[i]));
    return blocks;
  },
};
