/** A folder as a person picks one, in memory: what `FileSystemDirectoryHandle` has that Lapis uses. */
export function memoryDirectory(
  name: string,
  contents = new Map<string, Uint8Array<ArrayBuffer>>(),
): FileSystemDirectoryHandle & { contents: Map<string, Uint8Array<ArrayBuffer>> } {
  const directory = {
    kind: 'directory' as const,
    name,
    contents,
    async getFileHandle(file: string, options?: { create?: boolean }) {
      if (!contents.has(file) && !options?.create) throw new DOMException('absent', 'NotFoundError');
      return {
        getFile: async () => new File([contents.get(file) ?? new Uint8Array(0)], file),
        async createWritable() {
          const parts: Uint8Array[] = [];
          return {
            write: async (bytes: Uint8Array) => void parts.push(bytes.slice()),
            close: async () => void contents.set(file, Uint8Array.from(Buffer.concat(parts))),
          };
        },
      };
    },
  };
  return directory as unknown as ReturnType<typeof memoryDirectory>;
}
