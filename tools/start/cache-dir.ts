import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** A folder of ours in the user's cache, made if need be. */
export async function cacheDir(name: string): Promise<string> {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  let base = XDG_CACHE_HOME || join(homedir(), '.cache');
  if (process.platform === 'darwin') base = join(homedir(), 'Library/Caches');
  if (process.platform === 'win32') base = LOCALAPPDATA || join(homedir(), 'AppData/Local');
  const folder = join(base, 'lapis', name);
  await mkdir(folder, { recursive: true });
  return folder;
}
