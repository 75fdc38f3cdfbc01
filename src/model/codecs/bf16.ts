import { type Codec, putU16, u16At } from './codec.ts';
import { f32ToBf16 } from './half.ts';

/** BF16: the upper half of an f32, little-endian. */
export const bf16: Codec = {
  type: 'BF16',
  dequantize(blocks) {
    const bits = new Uint32Array(blocks.length / 2);
    for (let i = 0; i < bits.length; i++) bits[i] = u16At(blocks, 2 * i) << 16;
    return new Float32Array(bits.buffer);
  },
  quantize(values) {
    const blocks = new Uint8Array(values.length * 2);
    for (let i = 0; i < values.length; i++) putU16(blocks, 2 * i, f32ToBf16(values[i]));
    return blocks;
  },
};
