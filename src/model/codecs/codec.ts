import type { TensorType } from '../tensor.ts';

/** How one tensor type is stored. Both directions work on whole blocks and allocate only their result. */
export interface Codec {
  readonly type: TensorType;
  /** Stored blocks → f32, equal bit for bit to gguf-py's `dequantize`. */
  dequantize(blocks: Uint8Array): Float32Array<ArrayBuffer>;
  /** f32 → stored blocks, as ggml's reference quantizers do without an importance matrix. */
  quantize(values: Float32Array): Uint8Array<ArrayBuffer>;
}

/** An f16 stored at `offset`, little-endian, as its bits. */
export function u16At(bytes: Uint8Array, offset: number): number {
  return bytes[offset] | (bytes[offset + 1] << 8);
}

/** Stores a u16 at `offset`, little-endian. */
export function putU16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value & 0xff;
  bytes[offset + 1] = value >>> 8;
}
