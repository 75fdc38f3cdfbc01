import { LapisError } from '../../protocol/errors.ts';
import type { FileStore, OpenFile } from '../file-store.ts';

export interface MemoryFileStore extends FileStore {
  /** Files by directory and name, which a test may damage. */
  contents: Map<string, Map<string, Uint8Array<ArrayBuffer>>>;
  /** What may still be stored; a write beyond it fails as on a full disk. */
  free: number | undefined;
  /** How many files are open now. */
  readonly open: FileStore['open'] & { count: number };
}

/** A FileStore in memory, whose locks are those of OPFS: a file open to append is open once. */
export function memoryFileStore(free?: number): MemoryFileStore {
  const contents: MemoryFileStore['contents'] = new Map();
  const locks = new Map<string, number>();

  const spend = (bytes: number) => {
    if (store.free === undefined) return;
    if (store.free < bytes) throw new LapisError('quota', 'The disk is full.');
    store.free -= bytes;
  };
  const files = (directory: string) => {
    const found = contents.get(directory) ?? new Map<string, Uint8Array<ArrayBuffer>>();
    contents.set(directory, found);
    return found;
  };

  const open = Object.assign(
    async (directory: string, name: string, mode: 'append' | 'read'): Promise<OpenFile> => {
      const key = `${directory}/${name}`;
      const held = locks.get(key) ?? 0;
      if (held < 0 || (mode === 'append' && held > 0)) throw new Error(`${name} is open already`);
      if (mode === 'read' && !contents.get(directory)?.has(name)) {
        throw new LapisError('corrupt', `The file ${name} is missing from storage.`);
      }
      const folder = files(directory);
      // The allocation may be larger than the file, so that growing is cheap; `contents` shows the file.
      let bytes = folder.get(name) ?? new Uint8Array(0);
      folder.set(name, bytes);
      locks.set(key, mode === 'append' ? -1 : held + 1);
      open.count++;
      const resize = (size: number) => {
        if (size > bytes.buffer.byteLength) {
          const grown = new Uint8Array(Math.max(size, 2 * bytes.length));
          grown.set(bytes);
          bytes = grown;
        }
        bytes = new Uint8Array(bytes.buffer, 0, size);
        folder.set(name, bytes);
      };
      return {
        size: () => bytes.length,
        read(into, offset) {
          const part = bytes.subarray(offset, offset + into.length);
          into.set(part);
          return part.length;
        },
        write(from, offset) {
          spend(Math.max(0, offset + from.length - bytes.length));
          if (offset + from.length > bytes.length) resize(offset + from.length);
          bytes.set(from, offset);
        },
        truncate: resize,
        flush: () => {},
        close() {
          open.count--;
          const now = locks.get(key) ?? 0;
          if (now > 1) locks.set(key, now - 1);
          else locks.delete(key);
        },
      };
    },
    { count: 0 },
  );

  const store: MemoryFileStore = {
    contents,
    free,
    open,
    directories: async () => [...contents.keys()],
    files: async (directory) =>
      [...(contents.get(directory) ?? [])].map(([name, { length }]) => ({ name, bytes: length })),
    async read(directory, name, offset = 0, length) {
      const bytes = contents.get(directory)?.get(name);
      return bytes?.slice(offset, length === undefined ? undefined : offset + length);
    },
    async write(directory, name, bytes) {
      spend(Math.max(0, bytes.length - (contents.get(directory)?.get(name)?.length ?? 0)));
      files(directory).set(name, new Uint8Array(bytes));
    },
    async removeFile(directory, name) {
      if (locks.has(`${directory}/${name}`)) throw new Error(`${name} is open`);
      contents.get(directory)?.delete(name);
    },
    async removeDirectory(directory) {
      for (const key of locks.keys()) if (key.startsWith(`${directory}/`)) throw new Error(`${key} is open`);
      contents.delete(directory);
    },
    freeBytes: async () => store.free,
  };
  return store;
}
