import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LapisError } from '../src/protocol/errors.ts';

/** Refuses, before the work whose result it shall hold, a file that could not be written. Throws `bad-request`, or as node:fs does. */
export async function checkWritable(path: string): Promise<void> {
  const folder = dirname(path);
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) {
    throw new LapisError('bad-request', `There is no folder ${folder}.`);
  }
  const there = await stat(path).catch(() => undefined);
  if (there?.isDirectory()) throw new LapisError('bad-request', `${path} is a folder.`);
  await access(there ? path : folder, constants.W_OK);
}
