import { LapisError } from '../protocol/errors.ts';
import { UnreadableFile } from './chosen-file.ts';
import type { FileStore } from './file-store.ts';
import { JOURNAL_FILE, readRecord } from './record.ts';
import type { Needed } from './space.ts';
import { outOfSpace, requireSpace } from './space.ts';

/**
 * Writes a model in the place of whatever its directory holds, which is deleted only if the new one then fits.
 *
 * @throws LapisError `quota` with what is needed, or what `write` throws, which leaves what `deletingOnFailure` leaves
 */
export async function replaceModel<T>(
  files: FileStore,
  directory: string,
  needed: Needed,
  write: () => Promise<T>,
): Promise<T> {
  const before = await files.files(directory);
  await requireSpace(
    files,
    needed,
    before.reduce((sum, { bytes }) => sum + bytes, 0),
  );
  await files.removeDirectory(directory);
  return deletingOnFailure(files, directory, needed, write);
}

/**
 * Does what stores a model. A chosen file that cannot be read leaves what it has brought, if that can be gone on with.
 *
 * @throws LapisError what `write` throws, a `quota` with what is needed; the directory is empty then but for that
 */
export async function deletingOnFailure<T>(
  files: FileStore,
  directory: string,
  needed: Needed,
  write: () => Promise<T>,
): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    const keeps = cause instanceof UnreadableFile && (await readRecord(files, directory, JOURNAL_FILE)) !== undefined;
    if (!keeps) await files.removeDirectory(directory);
    const error = LapisError.from(cause);
    throw error.code === 'quota' ? await outOfSpace(files, needed, error) : cause;
  }
}
