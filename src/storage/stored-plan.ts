import type { ByteSource } from '../model/byte-source.ts';
import { openGguf } from '../model/gguf.ts';
import type { ShardPlan } from '../model/shards.ts';
import { planShards } from '../model/shards.ts';
import { release } from './release.ts';

export interface PlanOptions {
  id: string;
  /** Of the whole source. */
  total: number;
  /** At most this many bytes in a shard. */
  shardBytes: number;
  signal?: AbortSignal;
}

/** Thrown inside a header's reading when what it asks for has not been stored yet. */
class NotStoredYet extends Error {
  readonly needs: number;

  constructor(needs: number) {
    super('not stored yet');
    this.needs = needs;
  }
}

/**
 * How a GGUF is to be cut into shards, by the header in the `stored` first bytes of it; or how many are needed to know that.
 *
 * @throws LapisError `corrupt`, `not-gemma`, `unsupported`, `aborted`
 */
export async function planStored(
  head: Pick<ByteSource, 'read'>,
  stored: number,
  { id, total, shardBytes, signal }: PlanOptions,
): Promise<ShardPlan | { needs: number }> {
  const used: Uint8Array<ArrayBuffer>[] = [];
  const source: ByteSource = {
    size: total,
    async read(offset, length) {
      if (offset + length > stored) throw new NotStoredYet(offset + length);
      const bytes = await head.read(offset, length);
      used.push(bytes);
      return bytes;
    },
  };
  try {
    const { tensors } = await openGguf(source, { id, signal });
    return planShards({ bytes: total, tensors }, shardBytes);
  } catch (error) {
    if (error instanceof NotStoredYet) return { needs: error.needs };
    throw error;
  } finally {
    // Nothing of it is in the plan, and it is megabytes.
    used.forEach(release);
  }
}
