import { LapisError } from '../protocol/errors.ts';
import type { FileStore } from './file-store.ts';
import type { Needed } from './space.ts';
import { outOfSpace, requireSpace } from './space.ts';

/**
 * Writes a model in the place of whatever its directory holds, which is deleted only if the new one then fits.
 *
 * @throws LapisError `quota` with what is needed, or what `write` throws; the directory is empty when `write` has failed
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
 * Does what stores a model.
 *
 * @throws LapisError what `write` throws, a `quota` with what is needed; the directory is empty then
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
    await files.removeDirectory(directory);
    const error = LapisError.from(cause);
    throw error.code === 'quota' ? await outOfSpace(files, needed, error) : cause;
  }
}
