import type { ErrorPayload } from '../protocol/errors.ts';
import { LapisError } from '../protocol/errors.ts';
import type { UrlOrigin } from './catalogue.ts';
import { completeRecord, derive } from './derive.ts';
import { download } from './download.ts';
import type { Environment } from './environment.ts';
import { SourceChanged } from './http-range.ts';
import type { Ingested } from './ingest.ts';
import { ingest } from './ingest.ts';
import { fetchedBytes, PartialSource } from './partial-source.ts';
import { purgeFetched } from './purge.ts';
import type { ModelRecord } from './record.ts';
import { directoryOf, JOURNAL_FILE, newJournal, PAUSED_FILE, readRecord } from './record.ts';
import { isUseless } from './renew.ts';
import { damagedShards, restoreShard } from './repair.ts';
import { sizeText } from './size-text.ts';
import { ggufSpace, outOfSpace, requireSpace } from './space.ts';
import { urlFacts } from './url-facts.ts';

/** What can be downloaded: an entry of the catalogue or a source that was looked up. */
export interface DownloadableModel {
  id: string;
  name: string;
  bytes: number;
  license: { name: string; url: string };
  origin: UrlOrigin;
}

export interface DownloadOptions {
  /** Aborting keeps what was fetched; `discard` deletes it. */
  signal?: AbortSignal;
  onProgress?: (bytesDone: number, bytesTotal: number) => void;
  onPhase?: (phase: 'downloading' | 'retrying' | 'preparing', detail?: RetryDetail) => void;
  /** What happened, in a sentence: that the source changed and the download began anew, say. */
  onNotice?: (sentence: string) => void;
}

export interface RetryDetail {
  /** Of the next attempt, in milliseconds since 1970. */
  retryAt: number;
  error: ErrorPayload;
}

/** What is fetched again of a file without a pin, to see that it still is the file that was begun; at most a chunk. */
const COMPARED_BYTES = 1024 * 1024;

/**
 * The address leads to a file of another size, which nobody has asked for; what was fetched of the one before is deleted.
 */
export class AnotherSize extends LapisError {
  /** As it is to be had there. */
  readonly model: DownloadableModel;

  constructor(why: string, model: DownloadableModel) {
    const size = sizeText(model.bytes);
    super(
      'corrupt',
      `${why}, so nothing that was fetched before is kept. What is there is a download of ${size}: it begins when you ask for it.`,
    );
    this.model = model;
  }
}

/** A source that changes more often during one download will not stand still. */
const MOST_RESTARTS = 2;

/**
 * Downloads a model, or goes on with what an earlier attempt has stored of it.
 *
 * @throws AnotherSize, LapisError `network`, `corrupt` when what came is not the pinned file, `not-gemma`, `unsupported`, `quota`,
 * `aborted` or the signal's reason; what was fetched is kept but for what is known to be of no use
 */
export async function downloadModel(
  env: Environment,
  model: DownloadableModel,
  options: DownloadOptions,
): Promise<ModelRecord> {
  const directory = directoryOf(model.id);
  await env.files.removeFile(directory, PAUSED_FILE);
  let wanted = model;
  for (let restarts = 0; ; restarts++) {
    try {
      return await attempt(env, wanted, options);
    } catch (error) {
      if (!(error instanceof SourceChanged)) throw error;
      if (wanted.origin.sha256 || restarts === MOST_RESTARTS) {
        throw new LapisError('corrupt', `${error.message}: that is not ${wanted.name} as it was found.`, {
          cause: error,
        });
      }
      const { bytes, lastModified } = await urlFacts(wanted.origin.url, { fetch: env.fetch, signal: options.signal });
      wanted = { ...wanted, bytes, origin: { ...wanted.origin, lastModified } };
      const anew = await withoutFetched(env, directory);
      if (bytes !== model.bytes) throw new AnotherSize(error.message, wanted);
      if (anew) options.onNotice?.(`${error.message}, so ${anew}`);
    }
  }
}

async function attempt(env: Environment, model: DownloadableModel, options: DownloadOptions): Promise<ModelRecord> {
  const { origin } = model;
  const partial = await openPartial(env, model, options);
  const needed = () => ({ name: model.name, bytes: ggufSpace(model.bytes), stored: partial.position });
  let hashing: Ingested | undefined;
  try {
    await requireSpace(env.files, needed());
  } catch (error) {
    await partial.close();
    throw error;
  }
  try {
    hashing = await ingest(partial, await restOf(env, model, partial, options), env, options);
    options.onPhase?.('preparing');
    // Deriving goes on beside the last of the hashing; nothing is served before both are done and well.
    const pin = origin.sha256 ? Promise.resolve(origin.sha256) : hashing.hex;
    const deriving = derive(env, partial.journal, pin, options.signal);
    // Whatever fails, nothing is written any more when this ends.
    await Promise.allSettled([hashing.hex, deriving]);
    const [sha256, derived] = await Promise.all([hashing.hex, deriving]);
    await partial.close();
    if (!origin.sha256 || sha256 === origin.sha256) {
      return await completeRecord(env, { ...partial.journal, ...derived });
    }
  } catch (cause) {
    await partial.close();
    const error = LapisError.from(cause);
    if (isUseless(error) && !(error instanceof SourceChanged)) await purgeFetched(env.files, directoryOf(model.id));
    throw error.code === 'quota' ? await outOfSpace(env.files, needed(), error) : error;
  } finally {
    hashing?.close();
    await partial.close();
  }
  // Not what was published. Perhaps the disk has lost what was right when it was written.
  if (await restoredAny(env, model, partial.journal, options)) return attempt(env, model, options);
  await purgeFetched(env.files, directoryOf(model.id));
  throw new LapisError(
    'corrupt',
    `What was downloaded is not ${model.name} as published (its SHA-256 differs), so it was deleted.`,
  );
}

/** Deletes what was fetched, and says what that means for the download; undefined when nothing was. */
async function withoutFetched({ files }: Environment, directory: string): Promise<string | undefined> {
  const fetched = await fetchedBytes(files, directory);
  await purgeFetched(files, directory);
  return fetched > 0 ? `its download begins anew without the ${sizeText(fetched)} fetched before.` : undefined;
}

/** What an earlier attempt has stored of this very file, or a beginning. */
async function openPartial(
  env: Environment,
  model: DownloadableModel,
  { signal, onNotice }: DownloadOptions,
): Promise<PartialSource> {
  const { id, name, origin, bytes } = model;
  const directory = directoryOf(id);
  const begin = async (why?: string) => {
    const anew = await withoutFetched(env, directory);
    if (why && anew) onNotice?.(`${why}, so ${anew}`);
    return PartialSource.open(env.files, newJournal(model, origin, bytes, env.recipe.schemaVersion), {
      ...env,
      signal,
    });
  };
  const journal = await readRecord(env.files, directory, JOURNAL_FILE);
  if (journal === undefined) return begin();
  if (journal === 'damaged') return begin(`The record of what was fetched of ${name} is damaged`);
  const before = journal.origin.kind === 'url' ? journal.origin : undefined;
  if (journal.bytes !== bytes || before?.sha256 !== origin.sha256) return begin(`${name} is another file now`);
  if (before?.url !== origin.url && !origin.sha256) return begin(`${name} comes from another address now`);
  try {
    // What a file without a pin was when it was begun, it has to be still: it may have begun anew since it was found.
    const same = origin.sha256 ? origin : { ...origin, lastModified: before?.lastModified };
    return await PartialSource.open(env.files, { ...journal, origin: same }, { ...env, signal });
  } catch (error) {
    if (!isUseless(LapisError.from(error))) throw error;
    return begin(`What was fetched of ${name} cannot be gone on with`);
  }
}

/** The bytes that are not stored yet. */
async function restOf(
  env: Environment,
  { name, bytes, origin }: DownloadableModel,
  partial: PartialSource,
  { signal, onPhase }: DownloadOptions,
): Promise<AsyncIterable<Uint8Array>> {
  const { position, journal } = partial;
  onPhase?.('downloading');
  if (position === bytes) return nothing();
  const { url, sha256 } = origin;
  const lastModified = journal.origin.kind === 'url' ? journal.origin.lastModified : undefined;
  const compared = sha256 ? 0 : Math.min(position, COMPARED_BYTES, env.chunkBytes);
  const stream = download(
    { url, offset: position - compared, end: bytes, total: bytes, ...(!sha256 && { unpinned: { lastModified } }) },
    { ...env, signal, onRetry: (detail) => onPhase?.('retrying', detail), onFlow: () => onPhase?.('downloading') },
  );
  if (compared === 0) return stream;
  const stored = new Uint8Array(compared);
  for (let at = 0; at < compared; ) at += await partial.read(stored.subarray(at), position - compared + at);
  return continuing(stream, stored, name);
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** The stream without its beginning, which has to be `stored`. @throws SourceChanged when it is not */
async function* continuing(
  stream: AsyncIterable<Uint8Array>,
  stored: Uint8Array,
  name: string,
): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const piece of stream) {
    const known = piece.subarray(0, stored.length - at);
    if (known.some((byte, i) => byte !== stored[at + i])) throw new SourceChanged(`The source of ${name} has changed`);
    at += known.length;
    if (known.length < piece.length) yield piece.subarray(known.length);
  }
}

/** Brings shards back that no longer have the hash they were written with; false when all have it. */
async function restoredAny(
  env: Environment,
  model: DownloadableModel,
  journal: ModelRecord,
  { signal }: DownloadOptions,
): Promise<boolean> {
  let restored = false;
  for await (const shard of damagedShards(env, journal, { signal })) {
    await restoreShard(env, { ...journal, origin: model.origin }, shard, { signal });
    restored = true;
  }
  return restored;
}
