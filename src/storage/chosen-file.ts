import type { ByteSource } from '../model/byte-source.ts';
import { blobSource } from '../model/byte-source.ts';
import { LapisError } from '../protocol/errors.ts';

/* Files that a person has chosen: they may change, be locked or go while they are read. */

/** A chosen file that the browser cannot read, now. Chosen again, it may be as it was. */
export class UnreadableFile extends LapisError {
  constructor(message: string, cause: unknown) {
    super('bad-request', message, { cause });
  }
}

/**
 * A chosen file as a byte source.
 *
 * @param what names it at the start of a sentence
 * @throws UnreadableFile (`bad-request`) from a read
 */
export function chosenSource(file: Blob, what: string): ByteSource {
  const source = blobSource(file);
  return {
    size: source.size,
    async read(offset, length, signal) {
      try {
        return await source.read(offset, length, signal);
      } catch (error) {
        throw unreadable(error, what);
      }
    },
  };
}

function unreadable(error: unknown, what: string): unknown {
  if (!(error instanceof DOMException)) return error;
  const sentence =
    error.name === 'NotFoundError'
      ? `${what} is not where it was: choose it again.`
      : `${what} could not be read (${error.name}): it may have changed, be locked by another program, or lie on a drive that is gone. See that it can be opened, then choose it again.`;
  return new UnreadableFile(sentence, error);
}
