import { MANIFEST_FILE } from '../model/manifest.ts';
import { sha256Hex } from '../model/shards.ts';
import { LapisError } from '../protocol/errors.ts';
import type { FileStore } from './file-store.ts';
import { fileIn, writeTo } from './folder-handle.ts';
import { ORIGIN_FILE, originFileOf } from './folder-origin.ts';
import { abortError } from './http-range.ts';
import type { IngestOptions } from './ingest.ts';
import type { ModelRecord } from './record.ts';
import { directoryOf } from './record.ts';

/**
 * Writes a stored model as a shard folder, as `convert` makes them, with where it was published beside it. Each file's hash is checked on the way; the manifest comes
 * last, so what a failure leaves is no model.
 *
 * @throws LapisError `bad-request` when there is a model in the folder, `corrupt`, `quota`, `not-allowed`, `aborted`
 */
export async function exportModel(
  files: FileStore,
  record: ModelRecord,
  directory: FileSystemDirectoryHandle,
  { signal, onProgress }: IngestOptions,
): Promise<void> {
  const { id, name, shards, manifestSha256, bytes: total } = record;
  if (await fileIn(directory, MANIFEST_FILE)) {
    throw new LapisError('bad-request', `The folder ${directory.name} holds a model already: choose an empty one.`);
  }
  const copy = async (file: string, sha256: string | undefined) => {
    if (signal?.aborted) throw abortError(signal);
    const bytes = await files.read(directoryOf(id), file);
    if (!bytes || (await sha256Hex(bytes)) !== sha256) {
      throw new LapisError('corrupt', `The stored copy of ${name} is damaged (${file}): verify it first.`);
    }
    await writeTo(directory, file, bytes);
  };
  let done = 0;
  for (const { file, bytes, sha256 } of shards) {
    await copy(file, sha256);
    done += bytes;
    onProgress?.(done, total);
  }
  const origin = originFileOf(record);
  if (origin) await writeTo(directory, ORIGIN_FILE, origin);
  await copy(MANIFEST_FILE, manifestSha256);
}
