import { LapisError } from '../protocol/errors.ts';
import { completeRecord, derive } from './derive.ts';
import type { Environment } from './environment.ts';
import type { FileStore } from './file-store.ts';
import { PartialSource } from './partial-source.ts';
import type { ModelRecord } from './record.ts';
import {
  directoryOf,
  isVerbatim,
  JOURNAL_FILE,
  LAYOUT_VERSION,
  mendRecord,
  RECORD_FILE,
  readRecord,
} from './record.ts';
import { damagedShards, mended, restoreShard } from './repair.ts';
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
export async function sweep(env: Environment): Promise<SweepResult> {
  const records = new Map<string, ModelRecord>();
  const notices: string[] = [];
  for (const directory of await env.files.directories()) {
    const record = await readRecord(env.files, directory, RECORD_FILE);
    if (record === undefined) {
      const notice = await sweepUnfinished(env, directory);
      if (notice) notices.push(notice);
    } else if (record === 'damaged' || directoryOf(record.id) !== directory) {
      const freed = await purge(env.files, directory);
      notices.push(`A stored model whose record was damaged was deleted, which freed ${sizeText(freed)}.`);
    } else if (isCurrent(record, env)) {
      // A full disk costs the copy, not the model.
      if (await mendRecord(env.files, RECORD_FILE, record).catch(() => false)) notices.push(mended(record));
      records.set(record.id, record);
    } else {
      const { renewed, notice } = await renewOrPurge(env, record);
      if (renewed) records.set(record.id, renewed);
      notices.push(notice);
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
async function sweepUnfinished(env: Environment, directory: string): Promise<string | undefined> {
  const journal = await readRecord(env.files, directory, JOURNAL_FILE);
  let why = 'What an interrupted download or import had left';
  if (journal && journal !== 'damaged' && directoryOf(journal.id) === directory) {
    if (journal.origin.kind === 'url' && (await canGoOn(env, journal))) return undefined;
    why = isCurrent(journal, env)
      ? `What an interrupted import of ${journal.name} had left`
      : `What was fetched of ${journal.name} was stored under ${versions(journal, env)}: it`;
    return `${why} was deleted, which freed ${sizeText(await purge(env.files, directory))}. ${again(journal)}`;
  }
  const freed = await purge(env.files, directory);
  return freed > 0 ? `${why} was deleted, which freed ${sizeText(freed)}.` : undefined;
}

/** What was fetched is the source's own bytes: another version may go on with it, if it cuts them in the same way. */
async function canGoOn(env: Environment, journal: ModelRecord): Promise<boolean> {
  if (isCurrent(journal, env)) return true;
  if (journal.layout !== LAYOUT_VERSION) return false;
  try {
    const kept = { ...journal, schemaVersion: env.recipe.schemaVersion };
    await (await PartialSource.open(env.files, kept, env)).close();
    return true;
  } catch (error) {
    if (isUseless(LapisError.from(error))) return false;
    throw error;
  }
}

/**
 * A GGUF's shards are the published bytes, so nothing in them depends on the schema version; only what is derived from them
 * does, and that is made anew. What cannot be is deleted, which includes shards that this version would cut otherwise.
 */
async function renewOrPurge(env: Environment, record: ModelRecord): Promise<{ renewed?: ModelRecord; notice: string }> {
  const was = `The stored copy of ${record.name} was made under ${versions(record, env)}`;
  if (isVerbatim(record) && record.layout === LAYOUT_VERSION) {
    try {
      // Not from damaged bytes. The old record stands until the new one takes its place: cut off in between, the next start
      // derives again.
      for await (const shard of damagedShards(env, record, {})) await restoreShard(env, record, shard, {});
      const derived = await derive(env, record, Promise.resolve(record.sha256));
      // How another version answered says nothing about this one.
      const renewed = await completeRecord(env, { ...record, ...derived, probe: undefined });
      return {
        renewed,
        notice: `${was}: what was derived from its file was deleted and made anew, without a download.`,
      };
    } catch (cause) {
      const error = LapisError.from(cause);
      if (!isUseless(error)) {
        return { notice: `${was}. It could not be made anew (${error.message}) and waits for the next start.` };
      }
    }
  }
  const freed = sizeText(await purge(env.files, directoryOf(record.id)));
  return { notice: `${was}: it was deleted, which freed ${freed}. ${again(record)}` };
}

/** Whether an error says that nothing will become of what is stored. */
export function isUseless({ code }: LapisError): boolean {
  return ['corrupt', 'stale', 'unsupported', 'not-gemma'].includes(code);
}

function isCurrent(record: ModelRecord, { recipe }: Environment): boolean {
  return record.schemaVersion === recipe.schemaVersion && record.layout === LAYOUT_VERSION;
}

function versions(record: ModelRecord, { recipe }: Environment): string {
  return record.layout === LAYOUT_VERSION
    ? `weights version ${record.schemaVersion}, and this Lapis reads version ${recipe.schemaVersion}`
    : `storage layout ${record.layout}, and this Lapis reads layout ${LAYOUT_VERSION}`;
}

/** How to get a model again, and what that costs. */
function again({ origin, bytes }: ModelRecord): string {
  switch (origin.kind) {
    case 'package':
      return 'It is copied again from the extension when it is next used.';
    case 'url':
      return `Download it again in the settings, which is ${sizeText(bytes)}.`;
    case 'file':
      return 'Choose its file again in the settings; nothing needs to be downloaded.';
    case 'folder':
      return 'Choose its folder again in the settings; nothing needs to be downloaded.';
  }
}
