import { LapisError } from '../protocol/errors.ts';
import type { ManifestShard } from './manifest.ts';
import { sha256Hex } from './shards.ts';

/** The first shards of a conversion and what they were made from: what an attempt that is cut off leaves to the next. */
export interface ConvertedPart {
  /** Of all that the conversion makes. */
  bytes: number;
  shards: readonly ManifestShard[];
  /** The `SourceTrail` after the weights that the last of these shards was made from. */
  sourceSha256: string;
}

/** What is kept of a conversion was made from other weights, or as another version makes it. */
export class OtherWeights extends LapisError {
  constructor() {
    super('stale', 'What is kept of the model was made from other weights.');
  }
}

/** One hash of all that was read so far: SHA-256 of the one before and of the bytes that follow, both in hexadecimal. */
export class SourceTrail {
  #sha256 = '';

  /** Lower-case hexadecimal; empty before anything was added. */
  get sha256(): string {
    return this.#sha256;
  }

  async add(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#sha256 = await sha256Hex(new TextEncoder().encode(this.#sha256 + (await sha256Hex(bytes))));
  }
}
