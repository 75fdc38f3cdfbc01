import { LapisError } from '../protocol/errors.ts';
import type { Environment } from './environment.ts';
import type { FileStore } from './file-store.ts';
import { PartialSource } from './partial-source.ts';
import { storedBytes } from './progress-log.ts';
import type { ModelRecord } from './record.ts';
import {
  directoryOf,
  isCurrent,
  isVerbatim,
  JOURNAL_FILE,
  LAYOUT_VERSION,
  mendRecord,
  newJournal,
  OFFER_FILE,
  RECORD_FILE,
  readRecord,
  writeRecord,
} from './record.ts';
import { makeWhole, mended, SourceNeeded } from './repair.ts';
import { sizeText } from './size-text.ts';

/** What a sweep leaves: the models that may be served, and sentences for the person about what was done. */
export interface SweepResult {
  records: Map<string, ModelRecord>;
  /** What was deleted and can be downloaded again. */
  offers: Map<string, ModelRecord>;
  waiting: Map<string, WaitingModel>;
  notices: string[];
}

/** What is stored of a model that may not be served before the person has chosen its file or folder again. */
export interface WaitingModel extends Pick<ModelRecord, 'id' | 'name' | 'license'> {
  /** That are stored. */
  bytes: number;
  /** Why, and what to do, in a sentence. */
  reason: string;
}

/** What is left of a model that cannot be served as it is. */
interface Left {
  renewed?: ModelRecord;
  waiting?: WaitingModel;
  offer?: ModelRecord;
  notice?: string;
}

/**
 * Goes through everything stored before anything is served. What was made under another schema version, older or newer, is
 * purged; where the source's own bytes are stored, all that is derived from them is made anew under this version.
 */
export async function sweep(env: Environment): Promise<SweepResult> {
  const records = new Map<string, ModelRecord>();
  const offers = new Map<string, ModelRecord>();
  const waiting = new Map<string, WaitingModel>();
  const notices: string[] = [];
  const take = (left: Left) => {
    if (left.renewed) records.set(left.renewed.id, left.renewed);
    if (left.waiting) waiting.set(left.waiting.id, left.waiting);
    if (left.offer) offers.set(left.offer.id, left.offer);
    if (left.notice) notices.push(left.notice);
  };
  for (const directory of await env.files.directories()) {
    const record = await readRecord(env.files, directory, RECORD_FILE);
    if (record === undefined) {
      take(await sweepUnfinished(env, directory));
    } else if (record === 'damaged' || directoryOf(record.id) !== directory) {
      const freed = await purge(env.files, directory);
      notices.push(`A stored model whose record was damaged was deleted, which freed ${sizeText(freed)}.`);
    } else if (isCurrent(record, env.recipe)) {
      // A full disk costs the copy, not the model.
      if (await mendRecord(env.files, RECORD_FILE, record).catch(() => false)) notices.push(mended(record));
      records.set(record.id, record);
    } else {
      take(await renewOrPurge(env, record));
    }
  }
  return { records, waiting, offers, notices };
}

/** Deletes a directory and says how many bytes that freed. */
export async function purge(store: FileStore, directory: string): Promise<number> {
  const freed = (await store.files(directory)).reduce((sum, { bytes }) => sum + bytes, 0);
  await store.removeDirectory(directory);
  return freed;
}

/** Deletes a model; of a download it keeps where it can be had again. */
async function purgeModel(env: Environment, record: ModelRecord): Promise<{ freed: string; offer?: ModelRecord }> {
  const { id, origin, bytes } = record;
  const freed = sizeText(await purge(env.files, directoryOf(id)));
  if (origin.kind !== 'url') return { freed };
  const offer = newJournal(record, origin, bytes, env.recipe.schemaVersion);
  await writeRecord(env.files, OFFER_FILE, offer);
  return { freed, offer };
}

/** A download or an import that was cut off is kept, to go on with, and so is an offer; anything else half done is worth nothing. */
async function sweepUnfinished(env: Environment, directory: string): Promise<Left> {
  const journal = await readRecord(env.files, directory, JOURNAL_FILE);
  if (journal && journal !== 'damaged' && directoryOf(journal.id) === directory) {
    if (await canGoOn(env, journal)) {
      return journal.origin.kind === 'url' ? {} : { waiting: await keptImport(env, journal) };
    }
    const { freed, offer } = await purgeModel(env, journal);
    return {
      offer,
      notice: `What there was of ${journal.name} was stored under ${versions(journal, env)}: it was deleted, which freed ${freed}. ${again(journal)}`,
    };
  }
  const offer = journal ? undefined : await readRecord(env.files, directory, OFFER_FILE);
  if (offer && offer !== 'damaged' && directoryOf(offer.id) === directory) return { offer };
  const freed = await purge(env.files, directory);
  if (freed === 0) return {};
  return { notice: `What an interrupted download or import had left was deleted, which freed ${sizeText(freed)}.` };
}

/** Only the person can go on with an import; one of which nothing is stored yet is nothing to tell of. */
async function keptImport({ files }: Environment, journal: ModelRecord): Promise<WaitingModel | undefined> {
  const { id, name, license, origin, bytes } = journal;
  const stored = await storedBytes(files, journal);
  if (stored === 0) {
    await purge(files, directoryOf(id));
    return undefined;
  }
  const reason = `The import of ${name} was cut off after ${sizeText(stored)} of ${sizeText(bytes)}, which are kept: choose its ${origin.kind} again in the settings to go on from there.`;
  return { id, name, license, bytes: stored, reason };
}

/** What was fetched is the source's own bytes: another version may go on with it, if it cuts them in the same way. */
async function canGoOn(env: Environment, journal: ModelRecord): Promise<boolean> {
  if (isCurrent(journal, env.recipe)) return true;
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
 * does, and that is made anew. What waits for the person's file is kept, unserved; what cannot be made anew is deleted, which
 * includes shards that this version would cut otherwise.
 */
async function renewOrPurge(env: Environment, record: ModelRecord): Promise<Left> {
  const was = `The stored copy of ${record.name} was made under ${versions(record, env)}`;
  if (isVerbatim(record) && record.layout === LAYOUT_VERSION) {
    try {
      return {
        renewed: await makeWhole(env, record, {}),
        notice: `${was}: what was derived from its file was deleted and made anew, without a download.`,
      };
    } catch (cause) {
      const error = LapisError.from(cause);
      if (error instanceof SourceNeeded) {
        const { id, name, license, bytes } = record;
        const reason = `${was}. A part of it is damaged, so it cannot be made anew: ${error.message}`;
        return { waiting: { id, name, license, bytes, reason } };
      }
      if (!isUseless(error)) {
        return { notice: `${was}. It could not be made anew (${error.message}) and waits for the next start.` };
      }
    }
  }
  const { freed, offer } = await purgeModel(env, record);
  return { offer, notice: `${was}: it was deleted, which freed ${freed}. ${again(record)}` };
}

/** Whether an error says that nothing will become of what is stored. */
export function isUseless({ code }: LapisError): boolean {
  return ['corrupt', 'stale', 'unsupported', 'not-gemma'].includes(code);
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
