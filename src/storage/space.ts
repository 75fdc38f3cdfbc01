import { LapisError } from '../protocol/errors.ts';
import type { FileStore } from './file-store.ts';
import { sizeText } from './size-text.ts';

/**
 * A manifest with Gemma's vocabulary has 13 MB, the norms of 4B have 1 MB. Before there are any, a file's beginning, as far as
 * its header is looked for, is stored twice for a moment.
 */
const BESIDE_BYTES = 16_000_000;

/** What is to be written. */
export interface Needed {
  /** Of the model. */
  name: string;
  /** All of it; see `ggufSpace`. */
  bytes: number;
  /** As much of it is stored and stays. */
  stored?: number;
}

/** What a GGUF of this size takes with all that is written beside it. */
export function ggufSpace(bytes: number): number {
  return bytes + Math.min(BESIDE_BYTES, bytes);
}

/**
 * @param freed bytes that are deleted before anything is written
 * @throws LapisError `quota` when it is known not to fit
 */
export async function requireSpace(files: FileStore, { name, bytes, stored = 0 }: Needed, freed = 0): Promise<void> {
  const free = await files.freeBytes();
  if (free === undefined || free + freed >= bytes - stored) return;
  const there = `needs ${sizeText(bytes - stored)}, but the browser has only ${sizeText(Math.max(free + freed, 0))} left`;
  throw new LapisError(
    'quota',
    stored === 0 ? `${name} ${there}.` : `The rest of ${name} ${there}. The ${sizeText(stored)} that are stored stay.`,
  );
}

/** What a person is told when the disk refused a write in the middle: why, what is kept and what is missing. */
export async function outOfSpace(
  files: FileStore,
  { name, bytes, stored = 0 }: Needed,
  cause: LapisError,
): Promise<LapisError> {
  const free = await files.freeBytes().catch(() => undefined);
  const there = free === undefined ? '' : `, and the browser has ${sizeText(Math.max(free, 0))} left`;
  const needed = sizeText(Math.max(bytes - stored, 0));
  const sentence =
    stored === 0
      ? `${name} needs ${needed}${there}.`
      : `${sizeText(stored)} of ${name} are stored and stay; ${needed} more are needed${there}.`;
  return new LapisError('quota', `${cause.message} ${sentence}`, { cause });
}
