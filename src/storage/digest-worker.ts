import { sha256Hex } from '../model/shards.ts';
import type { Failed } from './asked-worker.ts';

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

/** One after another, so that answers come in the order of the requests. */
let before = Promise.resolve();

addEventListener('message', ({ data }: MessageEvent<DigestRequest>) => {
  before = before.then(() => answer(data));
});

async function answer({ buffer, byteOffset, length }: DigestRequest): Promise<void> {
  try {
    const sha256 = await sha256Hex(new Uint8Array(buffer, byteOffset, length));
    postMessage({ sha256, buffer } satisfies DigestReply, { transfer: [buffer] });
  } catch (error) {
    postMessage({ failed: String(error) } satisfies Failed);
  }
}
