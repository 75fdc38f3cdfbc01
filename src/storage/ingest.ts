import { LapisError } from '../protocol/errors.ts';
import type { Environment } from './environment.ts';
import { HashFollower } from './hash-follower.ts';
import { abortError } from './http-range.ts';
import type { PartialSource } from './partial-source.ts';

export interface IngestOptions {
  signal?: AbortSignal;
  onProgress?: (bytesDone: number, bytesTotal: number) => void;
}

/** A source that is stored as a whole, and the hash of it, which is ready some time after the last byte. */
export interface Ingested {
  hex: Promise<string>;
  close: () => void;
}

/**
 * Stores a stream of bytes behind what `partial` holds, while a hash of the whole follows. What has arrived when the stream
 * fails is stored too.
 *
 * @throws LapisError `quota`, `corrupt`, `not-gemma`, `unsupported`, `aborted`, or what `stream` throws
 */
export async function ingest(
  partial: PartialSource,
  stream: AsyncIterable<Uint8Array>,
  { startHash, chunkBytes }: Environment,
  { signal, onProgress }: IngestOptions,
): Promise<Ingested> {
  const total = partial.journal.bytes;
  const follower = new HashFollower(startHash(), partial, chunkBytes);
  let chunk = follower.buffer();
  let filled = 0;
  const store = async () => {
    if (filled === 0) return;
    const bytes = chunk.subarray(0, filled);
    filled = 0;
    await partial.append(bytes);
    if (follower.follow(partial.position, bytes)) chunk = follower.buffer();
  };
  try {
    follower.follow(partial.position);
    onProgress?.(partial.position, total);
    for await (const piece of stream) {
      for (let at = 0; at < piece.length; ) {
        if (signal?.aborted) throw abortError(signal);
        const part = piece.subarray(at, at + chunk.length - filled);
        chunk.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled === chunk.length) await store();
      }
      onProgress?.(partial.position + filled, total);
    }
    await store();
    await partial.complete();
  } catch (error) {
    follower.close();
    // Nothing is fetched twice for the want of a last write; but a disk that is full need not be asked again.
    if (LapisError.from(error).code !== 'quota') await partial.append(chunk.subarray(0, filled));
    throw error;
  }
  signal?.addEventListener('abort', () => follower.close(abortError(signal)));
  const hex = follower.hex(total);
  // It may fail before anybody waits for it.
  hex.catch(() => {});
  return { hex, close: () => follower.close() };
}
