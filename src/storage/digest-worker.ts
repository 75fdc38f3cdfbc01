import { sha256Hex } from '../model/shards.ts';

/* Hashes whole shards, beside a load. See shard-digests.ts. */

export interface DigestRequest {
  buffer: ArrayBuffer;
  byteOffset: number;
  length: number;
}

/** The hash, and the buffer given back. */
export interface DigestReply {
  sha256: string;
  buffer: ArrayBuffer;
}

addEventListener('message', async ({ data: { buffer, byteOffset, length } }: MessageEvent<DigestRequest>) => {
  const sha256 = await sha256Hex(new Uint8Array(buffer, byteOffset, length));
  postMessage({ sha256, buffer } satisfies DigestReply, { transfer: [buffer] });
});
