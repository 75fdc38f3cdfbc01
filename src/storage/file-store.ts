/**
 * The little that storage needs of a file system: directories one level deep, files in them. OPFS in the engine worker, memory
 * in tests.
 */
export interface FileStore {
  directories(): Promise<string[]>;
  /** Files of a directory; none when it is absent. */
  files(directory: string): Promise<{ name: string; bytes: number }[]>;
  /** `length` bytes from `offset`, fewer where the file ends; the whole file when both are absent. Undefined when it is absent. */
  read(directory: string, name: string, offset?: number, length?: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Replaces the file with these bytes, and returns when they are on the disk. */
  write(directory: string, name: string, bytes: Uint8Array): Promise<void>;
  removeFile(directory: string, name: string): Promise<void>;
  removeDirectory(directory: string): Promise<void>;
  /** How many bytes more may be stored, where that is known. */
  freeBytes(): Promise<number | undefined>;
}
