import type { TensorType } from '../../../model/tensor.ts';
import { TENSOR_TYPES } from '../../../model/tensor.ts';

/*
 * What the shaders of this folder make of published blocks, in JavaScript: their reference, and what CPU adapters are served by, where a
 * shader repacks 88 MB for a second of CPU time and this more than 1 GB.
 */

/** Some blocks, as 16-bit words from their start. */
interface Blocks {
  words: Uint16Array;
  count: number;
}

type Repack = (blocks: Blocks) => Uint8Array<ArrayBuffer>[];

/** The low nibbles of four bytes, side by side. */
function lowNibbles(bytes: number): number {
  const even = bytes & 0x0f0f0f0f;
  const pairs = (even | (even >>> 4)) & 0x00ff00ff;
  return (pairs | (pairs >>> 8)) & 0xffff;
}

/** The low two bits of four bytes, side by side. */
function lowPairs(bytes: number): number {
  const even = bytes & 0x03030303;
  const nibbles = (even | (even >>> 6)) & 0x000f000f;
  return (nibbles | (nibbles >>> 12)) & 0xff;
}

/** The lowest bit of four bytes, side by side. */
function lowBits(bytes: number): number {
  const even = bytes & 0x01010101;
  const pairs = (even | (even >>> 7)) & 0x00030003;
  return (pairs | (pairs >>> 14)) & 15;
}

/** Four bytes from word `at`. */
function wordAt(words: Uint16Array, at: number): number {
  return words[at] | (words[at + 1] << 16);
}

/** Eight nibbles of eight bytes from word `at`. */
function nibbleWord(words: Uint16Array, at: number, shift: number): number {
  return lowNibbles(wordAt(words, at) >>> shift) | (lowNibbles(wordAt(words, at + 2) >>> shift) << 16);
}

const bytesOf = (...arrays: (Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>)[]) =>
  arrays.map((array) => new Uint8Array(array.buffer));

/** Blocks of 32 with `head` words before 16 bytes of nibbles, of which `fifth` says where the fifth bits stand. */
function small(blockWords: number, nibbles: number, fifth?: number, head: 1 | 2 = 1): Repack {
  return ({ words, count }) => {
    const quants = new Uint32Array(count * 4);
    const fifthBits = new Uint32Array(fifth === undefined ? 0 : count);
    const heads = head === 1 ? new Uint16Array(count) : new Uint32Array(count);
    for (let block = 0, at = 0, to = 0; block < count; block++, at += blockWords, to += 4) {
      heads[block] = head === 1 ? words[at] : wordAt(words, at);
      if (fifth !== undefined) fifthBits[block] = wordAt(words, at + fifth);
      quants[to] = nibbleWord(words, at + nibbles, 0);
      quants[to + 1] = nibbleWord(words, at + nibbles + 4, 0);
      quants[to + 2] = nibbleWord(words, at + nibbles, 4);
      quants[to + 3] = nibbleWord(words, at + nibbles + 4, 4);
    }
    return fifth === undefined ? bytesOf(quants, heads) : bytesOf(quants, fifthBits, heads);
  };
}

const q8_0: Repack = ({ words, count }) => {
  const quants = new Uint32Array(count * 8);
  const scales = new Uint16Array(count);
  for (let block = 0, at = 0, to = 0; block < count; block++) {
    scales[block] = words[at++];
    for (let i = 0; i < 8; i++, at += 2) quants[to++] = words[at] | (words[at + 1] << 16);
  }
  return bytesOf(quants, scales);
};

/** Q4_K and Q5_K: a head of 16 bytes, the fifth bits of 256 elements if there are, and four runs of 32 bytes. */
function large(withFifth: boolean): Repack {
  const blockWords = withFifth ? 88 : 72;
  const nibbles = withFifth ? 24 : 8;
  return ({ words, count }) => {
    const quants = new Uint32Array(count * 32);
    const fifthBits = new Uint32Array(withFifth ? count * 8 : 0);
    const heads = new Uint16Array(count * 8);
    for (let block = 0, at = 0; block < count; block++, at += blockWords) {
      for (let i = 0; i < 8; i++) heads[block * 8 + i] = words[at + i];
      for (let sub = 0; sub < 8; sub++) {
        const shift = (sub & 1) * 4;
        const from = at + nibbles + (sub >> 1) * 16;
        const to = block * 32 + sub * 4;
        for (let i = 0; i < 4; i++) quants[to + i] = nibbleWord(words, from + 4 * i, shift);
        if (!withFifth) continue;
        let bits = 0;
        for (let i = 0; i < 8; i++) bits |= lowBits(wordAt(words, at + 8 + 2 * i) >>> sub) << (4 * i);
        fifthBits[block * 8 + sub] = bits;
      }
    }
    return withFifth ? bytesOf(quants, fifthBits, heads) : bytesOf(quants, heads);
  };
}

const q6_k: Repack = ({ words, count }) => {
  const quants = new Uint32Array(count * 32);
  const upperBits = new Uint32Array(count * 16);
  const subScales = new Uint16Array(count * 8);
  const scales = new Uint16Array(count);
  for (let block = 0, at = 0; block < count; block++, at += 105) {
    for (let index = 0; index < 16; index++) {
      const n = index >> 3;
      const j = (index >> 1) & 3;
      const l = (index & 1) * 8;
      const low = at + 32 * n + 16 * (j & 1) + l;
      const shift = (j >> 1) * 4;
      quants[block * 32 + index * 2] = nibbleWord(words, low, shift);
      quants[block * 32 + index * 2 + 1] = nibbleWord(words, low + 4, shift);
      let bits = 0;
      for (let i = 0; i < 4; i++) bits |= lowPairs(wordAt(words, at + 64 + 16 * n + l + 2 * i) >>> (2 * j)) << (8 * i);
      upperBits[block * 16 + index] = bits;
    }
    for (let i = 0; i < 8; i++) subScales[block * 8 + i] = words[at + 96 + i];
    scales[block] = words[at + 104];
  }
  return bytesOf(quants, upperBits, subScales, scales);
};

const REPACK: Partial<Record<TensorType, Repack>> = {
  Q4_0: small(9, 1),
  Q4_1: small(10, 2, undefined, 2),
  Q5_0: small(11, 3, 1),
  Q5_1: small(12, 4, 2, 2),
  Q8_0: q8_0,
  Q4_K: large(false),
  Q5_K: large(true),
  Q6_K: q6_k,
  IQ4_NL: small(9, 1),
};

/** Whole blocks of a type as its buffers want them (weights.ts), in that order; none for a type that is uploaded as it is. */
export function repackOnCpu(type: TensorType, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
  const count = bytes.length / TENSOR_TYPES[type].blockBytes;
  // Blocks begin at even offsets of a file, but a view need not.
  const even = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return REPACK[type]?.({ words: new Uint16Array(even.buffer, even.byteOffset, even.length >> 1), count }) ?? [];
}
