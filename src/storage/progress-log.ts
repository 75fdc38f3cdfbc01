import type { FileStore, OpenFile } from './file-store.ts';
import type { ModelRecord } from './record.ts';
import { directoryOf } from './record.ts';

/** How far a source is stored; beside `journal.json` and the shards that grow. */
export const PROGRESS_FILE = 'progress.log';

/** A position and its complement: an entry that a crash has torn does not match. */
const ENTRY_BYTES = 16;

/**
 * An append-only list of how many of a source's bytes are on the disk. An entry is written after the bytes that it counts were
 * flushed, so what lies beyond the last one may be torn and is not counted on.
 */
export class ProgressLog {
  readonly #file: OpenFile;
  #end: number;
  readonly #entry = new DataView(new ArrayBuffer(ENTRY_BYTES));

  private constructor(file: OpenFile, end: number) {
    this.#file = file;
    this.#end = end;
  }

  /** Opens the log of a directory, and says what its last whole entry counts. */
  static async open(store: FileStore, directory: string): Promise<{ log: ProgressLog; stored: number }> {
    const bytes = (await store.read(directory, PROGRESS_FILE)) ?? new Uint8Array(0);
    const { entries, stored } = parse(bytes);
    const file = await store.open(directory, PROGRESS_FILE, 'append');
    const end = entries * ENTRY_BYTES;
    if (file.size() > end) file.truncate(end);
    return { log: new ProgressLog(file, end), stored };
  }

  add(stored: number): void {
    this.#entry.setBigUint64(0, BigInt(stored), true);
    this.#entry.setBigUint64(8, BigInt.asUintN(64, ~BigInt(stored)), true);
    this.#file.write(new Uint8Array(this.#entry.buffer), this.#end);
    this.#file.flush();
    this.#end += ENTRY_BYTES;
  }

  close(): void {
    this.#file.close();
  }
}

/**
 * How many bytes of a source are stored, by its journal and its log. Nobody else can read the log while it is being written:
 * `writing` is then how far that is.
 */
export async function storedBytes(
  store: FileStore,
  { id, shards, bytes }: Pick<ModelRecord, 'id' | 'shards' | 'bytes'>,
  writing?: number,
): Promise<number> {
  const logged = writing ?? parse((await store.read(directoryOf(id), PROGRESS_FILE)) ?? new Uint8Array(0)).stored;
  const journalled = shards.reduce((sum, shard) => sum + shard.bytes, 0);
  return Math.min(Math.max(logged, journalled), bytes);
}

function parse(bytes: Uint8Array): { entries: number; stored: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let entries = 0;
  let stored = 0;
  for (; (entries + 1) * ENTRY_BYTES <= bytes.length; entries++) {
    const at = entries * ENTRY_BYTES;
    const value = view.getBigUint64(at, true);
    if (BigInt.asUintN(64, ~value) !== view.getBigUint64(at + 8, true)) break;
    stored = Number(value);
  }
  return { entries, stored };
}
