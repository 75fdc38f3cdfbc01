import type { ByteSource } from '../model/byte-source.ts';
import { checkRange, throwIfAborted } from '../model/byte-source.ts';
import type { FileStore, OpenFile } from './file-store.ts';

/** Files of a directory, one after another, as one file for as long as `work` takes: what shards are cut from. */
export async function withJoined<T>(
  store: FileStore,
  directory: string,
  names: readonly string[],
  work: (joined: ByteSource) => Promise<T>,
): Promise<T> {
  const opened: { file: OpenFile; start: number; end: number }[] = [];
  let size = 0;
  try {
    for (const name of names) {
      const file = await store.open(directory, name, 'read');
      const start = size;
      size += file.size();
      opened.push({ file, start, end: size });
    }
    return await work({
      size,
      async read(offset, length, signal) {
        throwIfAborted(signal);
        checkRange(size, offset, length);
        const bytes = new Uint8Array(length);
        for (const { file, start, end } of opened) {
          const from = Math.max(offset, start);
          const to = Math.min(offset + length, end);
          if (from < to) file.read(bytes.subarray(from - offset, to - offset), from - start);
        }
        return bytes;
      },
    });
  } finally {
    for (const { file } of opened) file.close();
  }
}
