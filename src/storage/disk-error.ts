import { LapisError } from '../protocol/errors.ts';

/**
 * What a person can make of the failure of a write. A file that is locked is no fault of the disk; all else that a browser throws
 * there, under names that differ from one to the next, is.
 */
export function diskError(error: unknown): unknown {
  if (!(error instanceof DOMException) || error.name === 'NoModificationAllowedError') return error;
  const sentence =
    error.name === 'QuotaExceededError'
      ? 'The disk, or the share of it that the browser gives, is full.'
      : `The disk refuses to write (${error.name}): it may be full, damaged or gone.`;
  return new LapisError('quota', sentence, { cause: error });
}

/** What is stored in a file and cannot be read: as good as damaged, and mended in the same way, by writing it again. */
export function readError(error: unknown, name: string): unknown {
  if (!(error instanceof DOMException)) return error;
  return new LapisError('corrupt', `The disk does not give ${name} back (${error.name}).`, { cause: error });
}
