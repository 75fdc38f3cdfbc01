import type { ShardPlan } from '../model/shards.ts';
import { LapisError } from '../protocol/errors.ts';
import type { FileStore } from './file-store.ts';
import { withJoined } from './joined-files.ts';
import type { ModelRecord } from './record.ts';
import { directoryOf } from './record.ts';
import { planStored } from './stored-plan.ts';

export interface RecoveredShards {
  plan: ShardPlan;
  /** How many bytes of the source are stored without a gap. */
  position: number;
}

/**
 * Finds out how far the shards of an earlier attempt go, of which `logged` bytes are known to be on the disk, and deletes what
 * lies behind a gap. Undefined when they do not hold a whole header.
 *
 * @throws LapisError `stale` when they are cut otherwise than this version cuts, and what a damaged header throws
 */
export async function recoverShards(
  store: FileStore,
  journal: ModelRecord,
  logged: number,
  { shardBytes, signal }: { shardBytes: number; signal?: AbortSignal },
): Promise<RecoveredShards | undefined> {
  const directory = directoryOf(journal.id);
  const sizes = new Map((await store.files(directory)).map(({ name, bytes }) => [name, bytes]));
  const journalled = journal.shards.reduce((sum, { bytes }) => sum + bytes, 0);
  const known = Math.max(logged, journalled);
  const names = [...sizes.keys()].filter((name) => name.startsWith('shard-')).sort();
  const plan = await withJoined(store, directory, names, (source) =>
    planStored(source, Math.min(known, source.size), { id: journal.id, total: journal.bytes, shardBytes, signal }),
  );
  if ('needs' in plan) return undefined;
  if (journal.shards.some(({ bytes }, index) => plan.shards[index]?.bytes !== bytes)) {
    throw new LapisError('stale', `The stored part of ${journal.name} is cut otherwise than this Lapis cuts.`);
  }
  let position = 0;
  for (const { file, start, bytes } of plan.shards) {
    position = Math.min(start + Math.min(sizes.get(file) ?? 0, bytes), Math.max(known, start));
    if (position < start + bytes) break;
  }
  for (const { file, start } of plan.shards) if (start > position) await store.removeFile(directory, file);
  return { plan, position };
}
