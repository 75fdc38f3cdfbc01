/** A file that stays open, at whose bytes one gets without waiting. */
export interface OpenFile {
  size(): number;
  /** Fills `into` from `offset`, and returns how many bytes there were. */
  read(into: Uint8Array, offset: number): number;
  /** @throws LapisError `quota` */
  write(bytes: Uint8Array, offset: number): void;
  truncate(size: number): void;
  /** Returns when what was written is on the disk. */
  flush(): void;
  close(): void;
}

/**
 * The little that storage needs of a file system: directories one level deep, files in them. OPFS in the engine worker, memory
 * in tests.
 */
export interface FileStore {
  directories(): Promise<string[]>;
  /** Files of a directory; none when it is absent. */
  files(directory: string): Promise<{ name: string; bytes: number }[]>;
  /**
   * `length` bytes from `offset`, fewer where the file ends; the whole file when both are absent. Undefined when it is absent.
   */
  read(directory: string, name: string, offset?: number, length?: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Replaces the file with these bytes, and returns when they are on the disk. */
  write(directory: string, name: string, bytes: Uint8Array): Promise<void>;
  /**
   * Opens a file; `append` alone and to write, making it if it is absent.
   *
   * @throws LapisError `corrupt` when there is none to read
   */
  open(directory: string, name: string, mode: 'append' | 'read'): Promise<OpenFile>;
  removeFile(directory: string, name: string): Promise<void>;
  removeDirectory(directory: string): Promise<void>;
  /** How many bytes more may be stored, where that is known. */
  freeBytes(): Promise<number | undefined>;
}
