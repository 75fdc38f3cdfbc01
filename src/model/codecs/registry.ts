import type { TensorType } from '../tensor.ts';
import { bf16 } from './bf16.ts';
import type { Codec } from './codec.ts';
import { f16 } from './f16.ts';
import { f32 } from './f32.ts';
import { iq4_nl } from './iq4-nl.ts';
import { q4_0 } from './q4-0.ts';
import { q4_1 } from './q4-1.ts';
import { q4_k } from './q4-k.ts';
import { q5_0 } from './q5-0.ts';
import { q5_1 } from './q5-1.ts';
import { q5_k } from './q5-k.ts';
import { q6_k } from './q6-k.ts';
import { q8_0 } from './q8-0.ts';

/** The codec of each tensor type. */
export const CODECS: Record<TensorType, Codec> = {
  F32: f32,
  F16: f16,
  BF16: bf16,
  Q4_0: q4_0,
  Q4_1: q4_1,
  Q5_0: q5_0,
  Q5_1: q5_1,
  Q8_0: q8_0,
  Q4_K: q4_k,
  Q5_K: q5_k,
  Q6_K: q6_k,
  IQ4_NL: iq4_nl,
};

/** Stored whole blocks of `type` as f32. */
export function dequantize(type: TensorType, blocks: Uint8Array): Float32Array<ArrayBuffer> {
  return CODECS[type].dequantize(blocks);
}

/** f32 as stored blocks of `type`; the count must be a multiple of its block size. */
export function quantize(type: TensorType, values: Float32Array): Uint8Array<ArrayBuffer> {
  return CODECS[type].quantize(values);
}
