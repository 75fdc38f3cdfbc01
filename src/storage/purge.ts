import { LapisError } from '../protocol/errors.ts';
import type { FileStore } from './file-store.ts';
import { completeGguf } from './gguf-ingest.ts';
import type { ModelRecord, Origin } from './record.ts';
import { directoryOf, JOURNAL_FILE, LAYOUT_VERSION, RECORD_FILE, readRecord } from './record.ts';
import { sizeText } from './size-text.ts';

/** What a sweep leaves: the models that may be served, and sentences for the person about those that may not. */
export interface SweepResult {
  records: Map<string, ModelRecord>;
  notices: string[];
}

/**
 * Goes through everything stored before anything is served. What was made under another schema version, older or newer, is
 * purged; where the source's own bytes are stored, all that is derived from them is made anew under this version.
 */
export async function sweep(store: FileStore, schemaVersion: number, shardBytes?: number): Promise<SweepResult> {
  const records = new Map<string, ModelRecord>();
  const notices: string[] = [];
  for (const directory of await store.directories()) {
    const record = await readRecord(store, directory, RECORD_FILE);
    if (record === undefined) {
      const notice = await sweepUnfinished(store, directory, schemaVersion);
      if (notice) notices.push(notice);
    } else if (record === 'damaged' || directoryOf(record.id) !== directory) {
      const freed = await purge(store, directory);
      notices.push(`A stored model whose record was damaged was deleted, which freed ${sizeText(freed)}.`);
    } else if (record.schemaVersion === schemaVersion && record.layout === LAYOUT_VERSION) {
      records.set(record.id, record);
    } else {
      let renewed: ModelRecord | undefined;
      try {
        renewed = await renew(store, record, schemaVersion, shardBytes);
      } catch (error) {
        const reason = LapisError.from(error).message;
        notices.push(
          `${versions(record, schemaVersion)}. It could not be made anew (${reason}) and waits for the next start.`,
        );
        continue;
      }
      if (renewed) records.set(record.id, renewed);
      notices.push(
        renewed
          ? `${versions(record, schemaVersion)}: what was derived from its file was deleted and made anew, without a download.`
          : `${versions(record, schemaVersion)}: it was deleted, which freed ${sizeText(await purge(store, directory))}. ${again(record.origin)}`,
      );
    }
  }
  return { records, notices };
}

/** Deletes a directory and says how many bytes that freed. */
export async function purge(store: FileStore, directory: string): Promise<number> {
  const freed = (await store.files(directory)).reduce((sum, { bytes }) => sum + bytes, 0);
  await store.removeDirectory(directory);
  return freed;
}

/** An interrupted download is kept, to go on with; anything else half done is worth nothing. */
async function sweepUnfinished(
  store: FileStore,
  directory: string,
  schemaVersion: number,
): Promise<string | undefined> {
  const journal = await readRecord(store, directory, JOURNAL_FILE);
  const usable = journal && journal !== 'damaged' && journal.layout === LAYOUT_VERSION;
  if (usable && journal.origin.kind === 'url' && journal.schemaVersion === schemaVersion) return undefined;
  const freed = await purge(store, directory);
  return freed > 0
    ? `What an interrupted download or import had left was deleted, which freed ${sizeText(freed)}.`
    : undefined;
}

/**
 * A GGUF's shards are the published bytes, so nothing in them depends on the schema version; only what is derived from them does.
 * Undefined when it cannot be derived again, which includes shards that this version would cut otherwise.
 */
async function renew(
  store: FileStore,
  record: ModelRecord,
  schemaVersion: number,
  shardBytes?: number,
): Promise<ModelRecord | undefined> {
  if (record.origin.kind === 'package' || record.layout !== LAYOUT_VERSION) return undefined;
  try {
    // The old record stands until the new one takes its place: cut off in between, the next start derives again.
    return await completeGguf(store, { ...record, schemaVersion }, { shardBytes });
  } catch (error) {
    if (['corrupt', 'stale', 'unsupported', 'not-gemma'].includes(LapisError.from(error).code)) return undefined;
    throw error;
  }
}

function versions(record: ModelRecord, schemaVersion: number): string {
  const made =
    record.layout === LAYOUT_VERSION
      ? `weights version ${record.schemaVersion}, and this Lapis reads version ${schemaVersion}`
      : `storage layout ${record.layout}, and this Lapis reads layout ${LAYOUT_VERSION}`;
  return `The stored copy of ${record.name} was made under ${made}`;
}

function again(origin: Origin): string {
  switch (origin.kind) {
    case 'package':
      return 'It is copied again from the extension when it is next used.';
    case 'url':
      return 'Download it again in the settings.';
    case 'file':
      return 'Choose its file again in the settings.';
    case 'folder':
      return 'Choose its folder again in the settings.';
  }
}
