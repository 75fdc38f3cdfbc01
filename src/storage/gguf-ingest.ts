import type { ByteSource } from '../model/byte-source.ts';
import type { GgufModelSource } from '../model/gguf.ts';
import { openGguf } from '../model/gguf.ts';
import type { Manifest } from '../model/manifest.ts';
import { MANIFEST_FILE, SHARD_BYTES } from '../model/manifest.ts';
import type { ShardPlan } from '../model/shards.ts';
import { joinedShards, planShards, readManifest, sha256Hex, writeManifest, writeShards } from '../model/shards.ts';
import { LapisError } from '../protocol/errors.ts';
import type { FileStore } from './file-store.ts';
import type { ModelRecord } from './record.ts';
import { directoryOf, JOURNAL_FILE, RECORD_FILE, writeRecord } from './record.ts';
import { storedFolder } from './stored-folder.ts';
import { StreamSource } from './stream-source.ts';

export interface IngestOptions {
  signal?: AbortSignal;
  onProgress?: (bytesDone: number, bytesTotal: number) => void;
  /** At most this many bytes in a shard, for tests. */
  shardBytes?: number;
}

/** Bytes of a model that stand in its journalled shards. */
export function journalledBytes(journal: ModelRecord): number {
  return journal.shards.reduce((sum, { bytes }) => sum + bytes, 0);
}

/**
 * Stores a GGUF file's bytes as they come, from where the journal stands. The journal is written after each shard, so an
 * interrupted ingest goes on at a shard's start. Does not complete the model: that is for `completeGguf`, after whatever check
 * the source allows.
 *
 * @throws LapisError `corrupt`, `not-gemma`, `unsupported`, `quota`, `aborted`, or what `stream` throws
 */
export async function ingestGguf(
  store: FileStore,
  journal: ModelRecord,
  stream: AsyncIterable<Uint8Array>,
  { signal, onProgress, shardBytes = SHARD_BYTES }: IngestOptions = {},
): Promise<void> {
  const folder = storedFolder(store, directoryOf(journal.id));
  let done = journalledBytes(journal);
  // Counted as they arrive: the megabytes of the header are on their way for a while too.
  const arriving = counted(stream, (bytes) => {
    done += bytes;
    onProgress?.(done, journal.bytes);
  });
  const source = new StreamSource(arriving, journal.bytes);
  try {
    const header = journal.shards.length > 0 ? storedHead(store, journal) : source;
    const model = await openGguf(header, { id: journal.id, signal });
    const plan = planOf(model, shardBytes);
    const remaining: ShardPlan = { ...plan, shards: plan.shards.slice(journal.shards.length) };
    let journalled = Promise.resolve();
    await writeShards(folder, remaining, source.all(), {
      signal,
      onShard(shard) {
        journal.shards.push(shard);
        const state = structuredClone(journal);
        journalled = journalled.then(() => writeRecord(store, JOURNAL_FILE, state));
      },
    });
    await journalled;
  } finally {
    await source.cancel();
  }
}

/** Derives the manifest from the stored shards, and writes the record that makes the model servable. */
export async function completeGguf(
  store: FileStore,
  journal: ModelRecord,
  { signal, shardBytes = SHARD_BYTES }: IngestOptions = {},
): Promise<ModelRecord> {
  const directory = directoryOf(journal.id);
  const folder = storedFolder(store, directory);
  const model = await openGguf(joinedShards(folder, journal.shards), { id: journal.id, signal });
  const plan = planOf(model, shardBytes);
  const fits = plan.shards.every(({ bytes }, index) => journal.shards[index]?.bytes === bytes);
  if (!fits || plan.shards.length !== journal.shards.length) {
    throw new LapisError(
      'stale',
      `The stored shards of ${journal.name} are cut in another way than this version of Lapis cuts.`,
    );
  }
  const { origin } = journal;
  const manifest: Manifest = {
    schemaVersion: model.schemaVersion,
    modelId: journal.id,
    norm: 'effective',
    source: { kind: 'gguf', bytes: journal.bytes, ...(origin.kind === 'url' && { sha256: origin.sha256 }) },
    config: model.config,
    tokenizer: model.tokenizer,
    shards: journal.shards,
    tensors: plan.tensors,
  };
  await writeManifest(folder, manifest);
  return completeRecord(store, journal);
}

/** Writes the record of a model whose manifest and shards are in place. */
export async function completeRecord(store: FileStore, journal: ModelRecord): Promise<ModelRecord> {
  const directory = directoryOf(journal.id);
  const folder = storedFolder(store, directory);
  await readManifest(folder);
  const file = await folder.read(MANIFEST_FILE);
  const record = { ...journal, manifestSha256: await sha256Hex(await file.read(0, file.size)) };
  await writeRecord(store, RECORD_FILE, record);
  await store.removeFile(directory, JOURNAL_FILE);
  return record;
}

function planOf(model: GgufModelSource, shardBytes: number): ShardPlan {
  return planShards({ bytes: model.file.size, tensors: model.tensors }, shardBytes);
}

/** The stored beginning of a file that is still on its way, with the size of the whole. */
function storedHead(store: FileStore, journal: ModelRecord): ByteSource {
  const head = joinedShards(storedFolder(store, directoryOf(journal.id)), journal.shards);
  // A header is read in large steps, which may reach past what is stored so far.
  return {
    size: journal.bytes,
    async read(offset, length, signal) {
      const there = Math.max(0, Math.min(length, head.size - offset));
      const bytes = new Uint8Array(length);
      bytes.set(await head.read(offset, there, signal));
      return bytes;
    },
  };
}

async function* counted(stream: AsyncIterable<Uint8Array>, count: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const piece of stream) {
    yield piece;
    count(piece.length);
  }
}
