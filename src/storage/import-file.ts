import { blobSource } from '../model/byte-source.ts';
import { openGguf } from '../model/gguf.ts';
import { sha256Hex } from '../model/shards.ts';
import { GEMMA_TERMS } from './catalogue.ts';
import { completeRecord, derive } from './derive.ts';
import type { Environment } from './environment.ts';
import type { Ingested, IngestOptions } from './ingest.ts';
import { ingest } from './ingest.ts';
import { cleanName } from './names.ts';
import { PartialSource } from './partial-source.ts';
import { purge } from './purge.ts';
import type { ModelRecord, Origin } from './record.ts';
import { directoryOf, newJournal } from './record.ts';
import { verifyModel } from './repair.ts';
import { requireSpace } from './space.ts';

/** The id under which a file of that name is stored. */
export function fileId(name: string): string {
  return `file:${cleanName(name)}`;
}

/**
 * Stores a GGUF from disk; its header is read first, so a wrong file costs one sentence and no space. Where the same file is
 * stored already, only what is damaged of it is put back.
 *
 * @throws LapisError `corrupt`, `not-gemma`, `unsupported`, `quota`, `aborted`
 */
export async function importFile(
  env: Environment,
  file: File,
  stored: ModelRecord | undefined,
  options: IngestOptions,
): Promise<ModelRecord> {
  const id = fileId(file.name);
  await openGguf(blobSource(file), { id, signal: options.signal });
  if (stored && (await isSameFile(stored, file))) return putBack(env, stored, file, options);
  await purge(env.files, directoryOf(id));
  const name = cleanName(file.name.replace(/\.gguf$/i, ''));
  const model = { id, name, license: GEMMA_TERMS };
  return storeGguf(env, model, { kind: 'file', name: cleanName(file.name) }, file.size, blobPieces(file, env), options);
}

/** Stores the bytes of a GGUF that are at hand. What a failure leaves is deleted. */
export async function storeGguf(
  env: Environment,
  model: Pick<ModelRecord, 'id' | 'name' | 'license'>,
  origin: Origin,
  bytes: number,
  stream: AsyncIterable<Uint8Array>,
  options: IngestOptions,
): Promise<ModelRecord> {
  await requireSpace(env.files, model.name, bytes);
  const journal = newJournal(model, origin, bytes, env.recipe.schemaVersion);
  const partial = await PartialSource.open(env.files, journal, { ...env, signal: options.signal });
  let hashing: Ingested | undefined;
  try {
    hashing = await ingest(partial, stream, env, options);
    const derived = await derive(env, journal, hashing.hex, options.signal);
    await partial.close();
    return await completeRecord(env, { ...journal, ...derived });
  } catch (error) {
    await partial.close();
    await purge(env.files, directoryOf(model.id));
    throw error;
  } finally {
    hashing?.close();
    await partial.close();
  }
}

/** Whether a file is what the shards of a model were made from. */
async function isSameFile(record: ModelRecord, file: File): Promise<boolean> {
  if (file.size !== record.bytes) return false;
  let start = 0;
  for (const { bytes, sha256 } of record.shards) {
    if ((await sha256Hex(await bytesOf(file, start, bytes))) !== sha256) return false;
    start += bytes;
  }
  return true;
}

async function putBack(
  env: Environment,
  record: ModelRecord,
  file: File,
  options: IngestOptions,
): Promise<ModelRecord> {
  const source = (start: number, bytes: number) => bytesOf(file, start, bytes);
  return (await verifyModel(env, record, { ...options, source })).record;
}

async function bytesOf(file: Blob, start: number, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await file.slice(start, start + bytes).arrayBuffer());
}

async function* blobPieces(blob: Blob, { chunkBytes }: Environment): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < blob.size; at += chunkBytes) yield bytesOf(blob, at, Math.min(chunkBytes, blob.size - at));
}
