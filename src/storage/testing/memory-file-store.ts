import { LapisError } from '../../protocol/errors.ts';
import type { FileStore, OpenFile } from '../file-store.ts';

export interface MemoryFileStore extends FileStore {
  /** Files by directory and name, which a test may damage. */
  contents: Map<string, Map<string, Uint8Array<ArrayBuffer>>>;
  /** What may still be stored; a write beyond it fails as on a full disk. */
  free: number | undefined;
  /**
   * What another process finds after this one was ended here: of bytes that were not flushed some part, torn. `random` is
   * uniform in [0, 1).
   */
  crash(random: () => number): MemoryFileStore;
}

/** A FileStore in memory, whose locks are those of OPFS: a file open to append is open once. */
export function memoryFileStore(free?: number): MemoryFileStore {
  const contents: MemoryFileStore['contents'] = new Map();
  const locks = new Map<string, number>();
  /** How much of a file that is open to append is on the disk. */
  const flushed = new Map<string, number>();

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

  const open = async (directory: string, name: string, mode: 'append' | 'read'): Promise<OpenFile> => {
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
    if (mode === 'append') flushed.set(key, bytes.length);
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
      flush: () => void flushed.set(key, bytes.length),
      close() {
        flushed.delete(key);
        const now = locks.get(key) ?? 0;
        if (now > 1) locks.set(key, now - 1);
        else locks.delete(key);
      },
    };
  };

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
    crash(random) {
      const after = memoryFileStore(store.free);
      for (const [directory, folder] of contents) {
        const copies = new Map<string, Uint8Array<ArrayBuffer>>();
        for (const [name, bytes] of folder) {
          const safe = flushed.get(`${directory}/${name}`) ?? bytes.length;
          const torn = Math.floor(random() * (bytes.length - safe + 1));
          copies.set(name, bytes.slice(0, safe + torn).fill(0xa5, safe));
        }
        after.contents.set(directory, copies);
      }
      return after;
    },
  };
  return store;
}
