import { LapisError } from '../protocol/errors.ts';
import type { FileStore } from './file-store.ts';
import { sizeText } from './size-text.ts';

/** @throws LapisError `quota` when `bytes` more are known not to fit */
export async function requireSpace(files: FileStore, name: string, bytes: number): Promise<void> {
  const free = await files.freeBytes();
  if (free === undefined || free >= bytes) return;
  throw new LapisError('quota', `${name} needs ${sizeText(bytes)}, but the browser has only ${sizeText(free)} left.`);
}

/** What a person is told when the disk refused a write in the middle: what is kept and what is missing. */
export async function outOfSpace(
  files: FileStore,
  { name, done, total }: { name: string; done: number; total: number },
  cause: unknown,
): Promise<LapisError> {
  const free = await files.freeBytes().catch(() => undefined);
  const there = free === undefined ? '' : `, and the browser has ${sizeText(Math.max(free, 0))} left`;
  return new LapisError(
    'quota',
    `There is no room for the rest of ${name}: ${sizeText(done)} are stored and stay, ${sizeText(total - done)} more are needed${there}.`,
    { cause },
  );
}
