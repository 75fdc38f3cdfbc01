import { incrementalSha256 } from './sha256.ts';

/* Hashes one file, beside its download. See whole-hash.ts. */

/** Bytes to hash, or the question for the hash of all so far. */
export type HashRequest = { buffer: ArrayBuffer; byteOffset: number; length: number } | 'hex';

/** The buffer, given back, or the hash. */
export type HashReply = ArrayBuffer | string;

const hash = incrementalSha256();

addEventListener('message', ({ data }: MessageEvent<HashRequest>) => {
  if (data === 'hex') {
    postMessage(hash.hex());
    return;
  }
  const { buffer, byteOffset, length } = data;
  hash.update(new Uint8Array(buffer, byteOffset, length));
  postMessage(buffer, { transfer: [buffer] });
});
