import type { Recipe } from '../model/derived-norms.ts';
import { RECIPE } from '../model/derived-norms.ts';
import type { StartDigests } from '../model/shards.ts';
import type { FileStore } from './file-store.ts';
import type { Fetch } from './http-range.ts';
import type { RetryClock } from './retry.ts';
import { realClock } from './retry.ts';
import { startShardDigests } from './shard-digests.ts';
import type { StartHash } from './whole-hash.ts';
import { hashHere, hashInWorker } from './whole-hash.ts';

/** What storing models rests on; all but the files has a default. */
export interface StorageOptions {
  files: FileStore;
  /** The URL of a file in the extension's package. */
  packageUrl: (path: string) => string;
  fetch?: Fetch;
  startHash?: StartHash;
  startDigests?: StartDigests;
  clock?: RetryClock;
  /** A connection that brings nothing for this long has failed. */
  stallMs?: number;
  /** At most this many bytes in a shard. */
  shardBytes?: number;
  /** Bytes that are written at once; a crash loses at most these. */
  chunkBytes?: number;
  recipe?: Recipe;
}

export type Environment = Required<StorageOptions>;

/** Half of what a shard may have: one is in memory while it is hashed. */
const SHARD_BYTES = 32 * 1024 * 1024;

/** Of a download or an import that is written at once and then on the disk. */
const CHUNK_BYTES = 4 * 1024 * 1024;

const STALL_MS = 30_000;

export function environment(options: StorageOptions): Environment {
  return {
    fetch: globalThis.fetch.bind(globalThis),
    startHash: typeof Worker === 'function' ? hashInWorker : hashHere,
    startDigests: startShardDigests,
    clock: realClock,
    stallMs: STALL_MS,
    shardBytes: SHARD_BYTES,
    chunkBytes: CHUNK_BYTES,
    recipe: RECIPE,
    ...options,
  };
}
