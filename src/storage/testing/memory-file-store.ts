import type { FileStore } from '../file-store.ts';

/** A FileStore in memory whose files a test may damage: `store.contents.get('directory')?.get('file')`. */
export function memoryFileStore(
  free?: number,
): FileStore & { contents: Map<string, Map<string, Uint8Array<ArrayBuffer>>> } {
  const contents = new Map<string, Map<string, Uint8Array<ArrayBuffer>>>();
  return {
    contents,
    directories: async () => [...contents.keys()],
    files: async (directory) =>
      [...(contents.get(directory) ?? [])].map(([name, { length }]) => ({ name, bytes: length })),
    async read(directory, name, offset = 0, length) {
      const bytes = contents.get(directory)?.get(name);
      return bytes?.slice(offset, length === undefined ? undefined : offset + length);
    },
    async write(directory, name, bytes) {
      if (!contents.has(directory)) contents.set(directory, new Map());
      contents.get(directory)?.set(name, new Uint8Array(bytes));
    },
    async removeFile(directory, name) {
      contents.get(directory)?.delete(name);
    },
    async removeDirectory(directory) {
      contents.delete(directory);
    },
    freeBytes: async () => free,
  };
}
