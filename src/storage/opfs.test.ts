import { afterEach, expect, test, vi } from 'vitest';
import type { FileStore } from './file-store.ts';
import { openOpfs } from './opfs.ts';

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** Files that another context holds open for so many attempts. */
async function lockedFor(attempts: number): Promise<FileStore> {
  let left = attempts;
  const locked = <T>(result: T) => {
    if (left-- > 0) throw new DOMException('locked', 'NoModificationAllowedError');
    return result;
  };
  const access = { getSize: () => 0, read: () => 0, truncate() {}, flush() {}, close() {} };
  const file = {
    createSyncAccessHandle: async () => locked(access),
    move: async () => locked(undefined),
  };
  const directory = {
    getDirectoryHandle: async () => directory,
    getFileHandle: async () => file,
    removeEntry: async () => locked(undefined),
  };
  vi.stubGlobal('navigator', { storage: { getDirectory: async () => directory } });
  vi.useFakeTimers();
  return openOpfs();
}

const OPERATIONS: [string, (files: FileStore) => Promise<unknown>][] = [
  ['read', (files) => files.read('a', 'shard-00001.bin')],
  ['written', (files) => files.write('a', 'shard-00001.bin', new Uint8Array(0))],
  ['opened', (files) => files.open('a', 'shard-00001.bin', 'append')],
  ['removed', (files) => files.removeFile('a', 'shard-00001.bin')],
];

test.each(OPERATIONS)('a file that stays locked when it is to be %s is named, with what to do', async (_, work) => {
  const failed = expect(work(await lockedFor(Number.POSITIVE_INFINITY))).rejects.toMatchObject({
    code: 'busy',
    message:
      'shard-00001.bin in the storage of Lapis is locked: something else in this browser holds it open. Restart the browser, then try again.',
  });
  await vi.advanceTimersByTimeAsync(6_000);
  await failed;
});

test.each(OPERATIONS)('a file that is locked for a moment is %s after it', async (_, work) => {
  const done = work(await lockedFor(20));
  await vi.advanceTimersByTimeAsync(2_000);
  await done;
});
