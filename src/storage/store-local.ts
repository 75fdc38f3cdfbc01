import type { ByteSource } from '../model/byte-source.ts';
import { sha256Hex } from '../model/shards.ts';
import { LapisError } from '../protocol/errors.ts';
import { completeRecord, derive } from './derive.ts';
import type { Environment } from './environment.ts';
import type { PinnedOrigin } from './folder-origin.ts';
import type { Ingested, IngestOptions } from './ingest.ts';
import { ingest } from './ingest.ts';
import { PartialSource } from './partial-source.ts';
import type { ModelRecord, Origin } from './record.ts';
import { directoryOf, JOURNAL_FILE, LAYOUT_VERSION, newJournal, RECORD_FILE, readRecord } from './record.ts';
import { isRenewable, isUseless } from './renew.ts';
import { makeWhole } from './repair.ts';
import { deletingOnFailure, replaceModel } from './replace-model.ts';
import { ggufSpace, requireSpace } from './space.ts';

/** What a GGUF that is at hand is stored as. */
export interface LocalModel extends Pick<ModelRecord, 'id' | 'name' | 'license'> {
  origin: Origin;
  /** Takes the place of `origin` when the bytes turn out to have its hash, so that damage is repaired from there. */
  published?: PinnedOrigin;
}

/**
 * Stores the bytes of a GGUF that are at hand. Where they are stored already, only what is damaged is put back; where an
 * earlier attempt was cut off, it is gone on with. Anything else of that id is replaced. What a failure leaves is deleted, but for a
 * file's that can no longer be read.
 *
 * @throws LapisError `corrupt`, `not-gemma`, `unsupported`, `quota`, `aborted`, or what reading `source` throws
 */
export async function storeLocal(
  env: Environment,
  model: LocalModel,
  source: ByteSource,
  options: IngestOptions,
): Promise<ModelRecord> {
  return (await putBackStored(env, model, source, options)) ?? storeAnew(env, model, source, options);
}

/** Undefined when another model is stored, or none, or when nothing can be made of what is stored. */
async function putBackStored(
  env: Environment,
  { id }: LocalModel,
  source: ByteSource,
  options: IngestOptions,
): Promise<ModelRecord | undefined> {
  const stored = await readRecord(env.files, directoryOf(id), RECORD_FILE);
  if (!stored || stored === 'damaged' || !isRenewable(stored)) return undefined;
  if (!(await isMadeOf(stored, source, options))) return undefined;
  try {
    return await makeWhole(env, stored, { ...options, source: (start, bytes) => bytesOf(source, start, bytes) });
  } catch (error) {
    if (isUseless(LapisError.from(error))) return undefined;
    throw error;
  }
}

/** Whether a source is what the shards of a model were made from. @throws LapisError `aborted`, or what reading it throws */
async function isMadeOf(
  record: ModelRecord,
  source: ByteSource,
  { signal, onProgress }: IngestOptions,
): Promise<boolean> {
  if (source.size !== record.bytes) return false;
  let start = 0;
  for (const { bytes, sha256 } of record.shards) {
    if ((await sha256Hex(await bytesOf(source, start, bytes, signal))) !== sha256) return false;
    start += bytes;
    onProgress?.(start, record.bytes);
  }
  return true;
}

async function storeAnew(
  env: Environment,
  model: LocalModel,
  source: ByteSource,
  options: IngestOptions,
): Promise<ModelRecord> {
  const directory = directoryOf(model.id);
  const needed = { name: model.name, bytes: ggufSpace(source.size) };
  const partial = await cutOff(env, model, source, options.signal);
  if (partial) {
    return deletingOnFailure(env.files, directory, needed, () => storeRest(env, model, source, partial, options));
  }
  return replaceModel(env.files, directory, needed, async () => {
    const journal = newJournal(model, model.origin, source.size, env.recipe.schemaVersion);
    const begun = await PartialSource.open(env.files, journal, { ...env, signal: options.signal });
    return storeRest(env, model, source, begun, options);
  });
}

async function storeRest(
  env: Environment,
  { published }: LocalModel,
  source: ByteSource,
  partial: PartialSource,
  options: IngestOptions,
): Promise<ModelRecord> {
  let hashing: Ingested | undefined;
  try {
    hashing = await ingest(partial, pieces(source, partial.position, env), env, options);
    const derived = await derive(env, partial.journal, hashing.hex, options.signal);
    await partial.close();
    return await completeRecord(env, {
      ...partial.journal,
      ...derived,
      ...(published?.sha256 === derived.sha256 && { origin: published }),
    });
  } finally {
    hashing?.close();
    await partial.close();
  }
}

/** What an attempt that was cut off has stored of this very source; undefined when there is none that can be gone on with. */
async function cutOff(
  env: Environment,
  { id, name, origin }: LocalModel,
  source: ByteSource,
  signal?: AbortSignal,
): Promise<PartialSource | undefined> {
  const journal = await readRecord(env.files, directoryOf(id), JOURNAL_FILE);
  if (!journal || journal === 'damaged' || journal.bytes !== source.size) return undefined;
  if (journal.layout !== LAYOUT_VERSION) return undefined;
  let partial: PartialSource | undefined;
  try {
    partial = await PartialSource.open(
      env.files,
      { ...journal, origin, schemaVersion: env.recipe.schemaVersion },
      { ...env, signal },
    );
    if (await beginsWith(source, partial, env, signal)) {
      await requireSpace(env.files, { name, bytes: ggufSpace(source.size), stored: partial.position });
      return partial;
    }
  } catch (error) {
    await partial?.close();
    if (!isUseless(LapisError.from(error))) throw error;
  }
  await partial?.close();
  return undefined;
}

/** Compares all that is stored: another file of the same name and size may begin alike. */
async function beginsWith(
  source: ByteSource,
  partial: PartialSource,
  { chunkBytes }: Environment,
  signal?: AbortSignal,
): Promise<boolean> {
  const stored = new Uint8Array(chunkBytes);
  for (let at = 0; at < partial.position; ) {
    const length = await partial.read(stored, at);
    const wanted = await bytesOf(source, at, length, signal);
    if (length === 0 || !areSame(wanted, stored.subarray(0, length))) return false;
    at += length;
  }
  return true;
}

function areSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

async function* pieces(source: ByteSource, from: number, { chunkBytes }: Environment): AsyncGenerator<Uint8Array> {
  for (let at = from; at < source.size; at += chunkBytes) yield bytesOf(source, at, chunkBytes);
}

/** Fewer where the source ends. */
function bytesOf(
  source: ByteSource,
  start: number,
  bytes: number,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  return source.read(start, Math.min(bytes, source.size - start), signal);
}
