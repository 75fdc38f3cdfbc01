import { sha256Hex } from '../model/shards.ts';
import { LapisError } from '../protocol/errors.ts';
import { readError } from './disk-error.ts';
import type { FileStore, OpenFile } from './file-store.ts';
import { release } from './release.ts';

/** Read at once, so that others in this thread have their turn. */
const STEP_BYTES = 4 * 1024 * 1024;

/** SHA-256 of stored files, one after another, in one buffer of a shard's size: `crypto.subtle` hashes whole buffers only. */
export class ShardHasher {
  readonly #files: FileStore;
  readonly #directory: string;
  #buffer = new Uint8Array(0);

  constructor(files: FileStore, directory: string) {
    this.#files = files;
    this.#directory = directory;
  }

  /** Lower-case hexadecimal; undefined when the file is absent, has another length or is not given back by the disk. */
  async hex(name: string, bytes: number): Promise<string | undefined> {
    const file = await this.#open(name);
    try {
      if (file?.size() !== bytes) return undefined;
      if (this.#buffer.length < bytes) {
        this.close();
        this.#buffer = new Uint8Array(bytes);
      }
      for (let at = 0; at < bytes; at += STEP_BYTES) {
        file.read(this.#buffer.subarray(at, Math.min(at + STEP_BYTES, bytes)), at);
        await new Promise((resolve) => setTimeout(resolve));
      }
    } catch (error) {
      if (LapisError.from(readError(error, name)).code === 'corrupt') return undefined;
      throw error;
    } finally {
      file?.close();
    }
    return sha256Hex(this.#buffer.subarray(0, bytes));
  }

  async #open(name: string): Promise<OpenFile | undefined> {
    try {
      return await this.#files.open(this.#directory, name, 'read');
    } catch (error) {
      if (LapisError.from(error).code === 'corrupt') return undefined;
      throw error;
    }
  }

  /** Lets the buffer go. */
  close(): void {
    release(this.#buffer);
    this.#buffer = new Uint8Array(0);
  }
}
