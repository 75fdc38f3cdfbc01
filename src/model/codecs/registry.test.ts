import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { TENSOR_TYPES, type TensorType, tensorBytes } from '../tensor.ts';
import { CODECS, dequantize, quantize } from './registry.ts';

interface Golden {
  values: string;
  types: Record<
    TensorType,
    { id: number; blockSize: number; blockBytes: number; quantized: string; blocks: string; dequantized: string }
  >;
}

const golden: Golden = JSON.parse(
  readFileSync(new URL('../../../tests/goldens/codecs/codecs.json', import.meta.url), 'utf8'),
);

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(base64, 'base64'));
}

function bitsOf(values: Float32Array<ArrayBuffer>): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

const values = new Float32Array(bytesOf(golden.values).buffer);

describe.each(Object.keys(TENSOR_TYPES) as TensorType[])('%s', (type) => {
  const expected = golden.types[type];

  test('dequantizes arbitrary blocks to the bits of gguf-py', () => {
    expect(bitsOf(dequantize(type, bytesOf(expected.blocks)))).toEqual(
      new Uint32Array(bytesOf(expected.dequantized).buffer),
    );
  });

  test('quantizes to the bytes of ggml', () => {
    const stored = quantize(type, values);
    expect(stored.length).toBe(tensorBytes(type, values.length));
    expect(Buffer.from(stored).equals(Buffer.from(bytesOf(expected.quantized)))).toBe(true);
  });

  test('has its own name, and the number and sizes of gguf-py', () => {
    expect(CODECS[type].type).toBe(type);
    expect(expected).toMatchObject(TENSOR_TYPES[type]);
  });

  test('makes valid blocks of weights too small for its scale', () => {
    const tiny = new Float32Array(256).map((_, i) => (i - 128) * 1e-42);
    for (const value of dequantize(type, quantize(type, tiny))) expect(Math.abs(value)).toBeLessThan(1e-6);
  });
});
