import type { Codec } from './codec.ts';

/** F32: little-endian, as it is. */
export const f32: Codec = {
  type: 'F32',
  dequantize: (blocks) => new Float32Array(new Uint8Array(blocks).buffer),
  quantize: (values) => new Uint8Array(new Float32Array(values).buffer),
};
