import { LapisError } from '../protocol/errors.ts';
import type { Environment } from './environment.ts';
import type { FileStore } from './file-store.ts';
import { PartialSource } from './partial-source.ts';
import { storedBytes } from './progress-log.ts';
import type { ModelRecord } from './record.ts';
import {
  copiesOf,
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
import type { WaitingModel } from './renew.ts';
import { isRenewable, isUseless, versions, waitingFor } from './renew.ts';
import { makeWhole, mended } from './repair.ts';
import { sizeText } from './size-text.ts';

/** What a sweep leaves: the models that may be served, and sentences for the person about what was done. */
export interface SweepResult {
  records: Map<string, ModelRecord>;
  /** What was deleted and can be downloaded again. */
  offers: Map<string, ModelRecord>;
  waiting: Map<string, WaitingModel>;
  notices: string[];
}

/** What is left of what a directory held. */
interface Left {
  /** May be served. */
  record?: ModelRecord;
  waiting?: WaitingModel;
  offer?: ModelRecord;
  notice?: string;
}

/**
 * Goes through everything stored before anything is served. What was made under another schema version, older or newer, is
 * purged; where the source's own bytes are stored, all that is derived from them is made anew under this version. What the disk
 * refuses costs one directory, which is kept.
 */
export async function sweep(env: Environment): Promise<SweepResult> {
  const records = new Map<string, ModelRecord>();
  const offers = new Map<string, ModelRecord>();
  const waiting = new Map<string, WaitingModel>();
  const notices: string[] = [];
  for (const directory of await env.files.directories()) {
    const left = await sweepDirectory(env, directory).catch((cause): Left => {
      const { message } = LapisError.from(cause);
      return {
        notice: `What is stored in ${directory} could not be looked through (${message}): it stays as it is, and is looked through again when Lapis starts.`,
      };
    });
    if (left.record) records.set(left.record.id, left.record);
    if (left.waiting) waiting.set(left.waiting.id, left.waiting);
    if (left.offer) offers.set(left.offer.id, left.offer);
    if (left.notice) notices.push(left.notice);
  }
  return { records, waiting, offers, notices };
}

async function sweepDirectory(env: Environment, directory: string): Promise<Left> {
  const record = await readRecord(env.files, directory, RECORD_FILE);
  if (record === undefined) return sweepUnfinished(env, directory);
  if (record === 'damaged' || directoryOf(record.id) !== directory) {
    const freed = await purge(env.files, directory);
    return { notice: `A stored model whose record was damaged was deleted, which freed ${sizeText(freed)}.` };
  }
  if (!isCurrent(record, env.recipe)) return renewOrPurge(env, record);
  // A full disk costs the copy, not the model.
  const wasDamaged = await mendRecord(env.files, RECORD_FILE, record).catch(() => false);
  return { record, notice: wasDamaged ? mended(record) : undefined };
}

/** Deletes a directory and says how many bytes that freed. */
export async function purge(store: FileStore, directory: string): Promise<number> {
  const freed = (await store.files(directory)).reduce((sum, { bytes }) => sum + bytes, 0);
  await store.removeDirectory(directory);
  return freed;
}

/** Deletes what was fetched of a model and says how many bytes that freed. That it is offered again stays. */
export async function purgeFetched(store: FileStore, directory: string): Promise<number> {
  if (!(await offerIn(store, directory))) return purge(store, directory);
  const fetched = (await store.files(directory)).filter(({ name }) => !copiesOf(OFFER_FILE).includes(name));
  for (const { name } of fetched) await store.removeFile(directory, name);
  return fetched.reduce((sum, { bytes }) => sum + bytes, 0);
}

async function offerIn(store: FileStore, directory: string): Promise<ModelRecord | undefined> {
  const offer = await readRecord(store, directory, OFFER_FILE);
  return offer && offer !== 'damaged' && directoryOf(offer.id) === directory ? offer : undefined;
}

/** Deletes a model, and says so; of a download it keeps where it can be had again. */
async function purgeModel(env: Environment, record: ModelRecord, was: string): Promise<Left> {
  const { id, origin, bytes } = record;
  const freed = sizeText(await purge(env.files, directoryOf(id)));
  const notice = `${was}: it was deleted, which freed ${freed}. ${again(record)}`;
  if (origin.kind !== 'url') return { notice };
  const offer = newJournal(record, origin, bytes, env.recipe.schemaVersion);
  try {
    await writeRecord(env.files, OFFER_FILE, offer);
    return { offer, notice };
  } catch (cause) {
    const { message } = LapisError.from(cause);
    return { offer, notice: `${notice} Where it comes from could not be kept (${message}) for the next start.` };
  }
}

/** A download or an import that was cut off is kept, to go on with, and so is an offer; anything else half done is worth nothing. */
async function sweepUnfinished(env: Environment, directory: string): Promise<Left> {
  const journal = await readRecord(env.files, directory, JOURNAL_FILE);
  if (journal && journal !== 'damaged' && directoryOf(journal.id) === directory) {
    const was = `stored under ${versions(journal, env)}`;
    const error = await obstacle(env, journal);
    if (error && isUseless(error)) return purgeModel(env, journal, `What there was of ${journal.name} was ${was}`);
    return {
      waiting: journal.origin.kind === 'url' ? undefined : await keptImport(env, journal),
      offer: await offerIn(env.files, directory),
      notice:
        error &&
        `What there is of ${journal.name} was ${was}. It could not be looked through (${error.message}) and stays as it is.`,
    };
  }
  const offer = await offerIn(env.files, directory);
  const freed = await purgeFetched(env.files, directory);
  if (freed === 0) return { offer };
  return {
    offer,
    notice: `What an interrupted download or import had left was deleted, which freed ${sizeText(freed)}.`,
  };
}

/** What a failed import has left to go on with, if anything. */
export async function keptImportOf(env: Environment, id: string): Promise<WaitingModel | undefined> {
  const journal = await readRecord(env.files, directoryOf(id), JOURNAL_FILE);
  if (!journal || journal === 'damaged' || journal.origin.kind === 'url') return undefined;
  return keptImport(env, journal);
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

/**
 * Why what was stored cannot be gone on with. Of the source's own bytes another version can, if it cuts them in the same way.
 */
async function obstacle(env: Environment, journal: ModelRecord): Promise<LapisError | undefined> {
  if (isCurrent(journal, env.recipe)) return undefined;
  if (journal.layout !== LAYOUT_VERSION) return new LapisError('stale', 'Its layout is another one.');
  if (!isVerbatim(journal)) return new LapisError('stale', 'Its shards were made as another version makes them.');
  try {
    const kept = { ...journal, schemaVersion: env.recipe.schemaVersion };
    await (await PartialSource.open(env.files, kept, env)).close();
    return undefined;
  } catch (error) {
    return LapisError.from(error);
  }
}

/**
 * A GGUF's shards are the published bytes, so nothing in them depends on the schema version; only what is derived from them
 * does, and that is made anew. What cannot be made anew before something has changed is kept, unserved; what never can is
 * deleted, which includes shards that this version would cut otherwise.
 */
async function renewOrPurge(env: Environment, record: ModelRecord): Promise<Left> {
  const was = `The stored copy of ${record.name} was made under ${versions(record, env)}`;
  if (isRenewable(record)) {
    try {
      return {
        record: await makeWhole(env, record, {}),
        notice: `${was}: what was derived from its file was deleted and made anew, without a download.`,
      };
    } catch (error) {
      const waiting = waitingFor(env, record, LapisError.from(error));
      if (waiting) return { waiting };
    }
  }
  return purgeModel(env, record, was);
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
