import type { ByteSource } from '../model/byte-source.ts';
import { LapisError } from '../protocol/errors.ts';
import { chosenSource } from './chosen-file.ts';
import { cleanName } from './names.ts';

/* Folders that a person has picked: another part of the disk, with the browser's file system API between. */

/** The file of that name; undefined when it is absent. */
export async function fileIn(directory: FileSystemDirectoryHandle, name: string): Promise<File | undefined> {
  try {
    return await (await directory.getFileHandle(name)).getFile();
  } catch (error) {
    if (error instanceof DOMException && ['NotFoundError', 'TypeMismatchError'].includes(error.name)) return undefined;
    throw asLapisError(error, directory.name);
  }
}

/** Its bytes; undefined when it is absent. @throws LapisError from a read, `bad-request` when the browser cannot read it */
export async function sourceIn(directory: FileSystemDirectoryHandle, name: string): Promise<ByteSource | undefined> {
  const file = await fileIn(directory, name);
  return file && sourceOf(directory, file);
}

/** The bytes of a file of the folder. @throws LapisError from a read, `bad-request` when the browser cannot read it */
export function sourceOf(directory: FileSystemDirectoryHandle, file: File): ByteSource {
  return chosenSource(file, `The file ${file.name} of the folder ${cleanName(directory.name)}`);
}

/** Replaces a file with these bytes. @throws LapisError `quota`, `not-allowed` */
export async function writeTo(
  directory: FileSystemDirectoryHandle,
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  try {
    const writable = await (await directory.getFileHandle(name, { create: true })).createWritable();
    // Under another name until it is closed, so that a failure leaves what was there.
    await writable.write(bytes);
    await writable.close();
  } catch (error) {
    throw asLapisError(error, directory.name);
  }
}

function asLapisError(error: unknown, folder: string): unknown {
  if (!(error instanceof DOMException)) return error;
  switch (error.name) {
    case 'QuotaExceededError':
      return new LapisError('quota', `The disk of the folder ${folder} is full.`, { cause: error });
    case 'NotAllowedError':
      return new LapisError('not-allowed', `The browser was not allowed to use the folder ${folder}.`, {
        cause: error,
      });
    default:
      return new LapisError('corrupt', `The folder ${folder} could not be used: ${error.message}`, { cause: error });
  }
}
