import type { ShardPlan } from '../model/shards.ts';
import { LapisError } from '../protocol/errors.ts';
import type { FileStore, OpenFile } from './file-store.ts';
import { ProgressLog } from './progress-log.ts';
import type { ModelRecord } from './record.ts';
import { directoryOf, JOURNAL_FILE, writeRecord } from './record.ts';
import { recoverShards } from './recover-shards.ts';
import { release } from './release.ts';
import { ShardHasher } from './shard-hasher.ts';
import { planStored } from './stored-plan.ts';

/** The beginning of a source, until its header says how the rest is to be cut into shards. */
const HEAD_FILE = 'head.bin';

/** How many bytes of a source a directory holds, whatever its journal says of them. */
export async function fetchedBytes(store: FileStore, directory: string): Promise<number> {
  const files = await store.files(directory);
  // Shards beside a head are copies of it.
  const head = files.find(({ name }) => name === HEAD_FILE);
  const shards = files.filter(({ name }) => name.startsWith('shard-'));
  return head?.bytes ?? shards.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Bytes read or copied at once, so that others in this thread have their turn. */
const STEP_BYTES = 4 * 1024 * 1024;

/** The file at whose end bytes are added: the head, or the shard of that index. */
interface Growing {
  file: OpenFile;
  index?: number;
  /** In the source. */
  start: number;
}

export interface PartialOptions {
  /** At most this many bytes in a shard. */
  shardBytes: number;
  signal?: AbortSignal;
}

/**
 * A GGUF's bytes on their way into a model's directory. They are appended in order and are on the disk when `append` resolves;
 * opened again after whatever end, it goes on where it was. A shard that is whole gets its SHA-256 and its place in the journal
 * while the next one grows.
 */
export class PartialSource {
  readonly journal: ModelRecord;
  readonly #store: FileStore;
  readonly #directory: string;
  readonly #options: PartialOptions;
  readonly #log: ProgressLog;
  #position = 0;
  #plan: ShardPlan | undefined;
  /** How much of the source its header is known to reach over. */
  #headerNeeds = 0;
  #growing: Growing | undefined;
  /** A whole shard that is being read. */
  #reading: { file: OpenFile; index: number } | undefined;
  #hashed: Promise<void> = Promise.resolve();
  #hasher: ShardHasher | undefined;
  #closed = false;

  /**
   * Opens what an earlier attempt has stored, or begins. `journal` is written, and grows as shards are done.
   *
   * @throws LapisError `stale` when the stored shards are cut otherwise than this version cuts, and what reading a header
   * throws
   */
  static async open(store: FileStore, journal: ModelRecord, options: PartialOptions): Promise<PartialSource> {
    const directory = directoryOf(journal.id);
    await writeRecord(store, JOURNAL_FILE, journal);
    const { log, stored } = await ProgressLog.open(store, directory);
    const partial = new PartialSource(store, directory, journal, options, log);
    try {
      await partial.#recover(stored);
    } catch (error) {
      await partial.close();
      throw error;
    }
    return partial;
  }

  private constructor(
    store: FileStore,
    directory: string,
    journal: ModelRecord,
    options: PartialOptions,
    log: ProgressLog,
  ) {
    this.#store = store;
    this.#directory = directory;
    this.journal = journal;
    this.#options = options;
    this.#log = log;
  }

  /** How many bytes of the source are stored. */
  get position(): number {
    return this.#position;
  }

  /**
   * Stores the bytes that follow, and returns when they are on the disk.
   *
   * @throws LapisError `quota`, `corrupt`, `not-gemma`, `unsupported` as soon as the header tells
   */
  async append(bytes: Uint8Array): Promise<void> {
    if (this.#position + bytes.length > this.journal.bytes) {
      throw new LapisError('corrupt', 'The model has more bytes than it announced.');
    }
    for (let at = 0; at < bytes.length; ) {
      this.#growing ??= await this.#openTarget();
      const { file, start } = this.#growing;
      const room = this.#plan ? this.#endOf(start) - this.#position : bytes.length;
      const part = bytes.subarray(at, at + room);
      file.write(part, this.#position - start);
      file.flush();
      this.#position += part.length;
      at += part.length;
      // Before the next shard is opened: a crash in between finds what it counts on.
      this.#log.add(this.#position);
      if (!this.#plan) await this.#cutHead();
      else if (this.#position === this.#endOf(start)) await this.#finishShard();
    }
  }

  /** Waits until every byte is in a shard that has its hash. @throws LapisError `corrupt` when bytes are missing */
  async complete(): Promise<void> {
    if (this.#position < this.journal.bytes) {
      throw new LapisError('corrupt', `The model ended after ${this.#position} of ${this.journal.bytes} bytes.`);
    }
    await this.#hashed;
    this.#hasher?.close();
    this.#hasher = undefined;
  }

  /** Stored bytes from `offset` on; returns how many of those asked for there were before a shard's end. */
  async read(into: Uint8Array<ArrayBuffer>, offset: number): Promise<number> {
    const length = Math.min(into.length, this.#position - offset);
    const growing = this.#growing;
    if (growing && offset >= growing.start) return growing.file.read(into.subarray(0, length), offset - growing.start);
    const index = this.#plan?.shards.findIndex(({ start, bytes }) => offset < start + bytes) ?? -1;
    if (!this.#plan || index < 0) return 0;
    const { start, bytes, file } = this.#plan.shards[index];
    if (this.#reading?.index !== index) {
      this.#reading?.file.close();
      this.#reading = undefined;
      const opened = await this.#store.open(this.#directory, file, 'read');
      if (this.#closed) {
        opened.close();
        return 0;
      }
      this.#reading = { index, file: opened };
    }
    const within = Math.min(length, start + bytes - offset);
    return this.#reading.file.read(into.subarray(0, within), offset - start);
  }

  /** Lets go of the files, as they are. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#hashed.catch(() => {});
    this.#growing?.file.close();
    this.#reading?.file.close();
    this.#growing = undefined;
    this.#reading = undefined;
    this.#hasher?.close();
    this.#hasher = undefined;
    this.#log.close();
  }

  #endOf(start: number): number {
    const shard = this.#plan?.shards.find((candidate) => candidate.start === start);
    return shard ? start + shard.bytes : this.journal.bytes;
  }

  /** Opens the file that the next byte belongs to. */
  async #openTarget(): Promise<Growing> {
    const index = this.#plan?.shards.findIndex(({ start, bytes }) => this.#position < start + bytes);
    if (!this.#plan || index === undefined) {
      return { file: await this.#store.open(this.#directory, HEAD_FILE, 'append'), start: 0 };
    }
    const { file, start } = this.#plan.shards[index];
    return { file: await this.#store.open(this.#directory, file, 'append'), index, start };
  }

  /** Looks whether the header is whole by now, and cuts what is stored into shards if so. */
  async #cutHead(): Promise<void> {
    const head = this.#growing;
    if (!head || this.#position < this.#headerNeeds) return;
    const { journal } = this;
    const source = {
      async read(offset: number, length: number) {
        const bytes = new Uint8Array(length);
        head.file.read(bytes, offset);
        return bytes;
      },
    };
    const plan = await planStored(source, this.#position, { id: journal.id, total: journal.bytes, ...this.#options });
    if ('needs' in plan) {
      this.#headerNeeds = plan.needs;
      return;
    }
    for (const shard of plan.shards) if (shard.start < this.#position) await this.#copyFromHead(head.file, shard);
    this.#plan = plan;
    // Whoever reads meanwhile reads the head.
    const next = this.#position < journal.bytes ? await this.#openTarget() : undefined;
    head.file.close();
    this.#growing = next;
    // From here on the shards are what counts: cut off before, the next attempt does the same again.
    await this.#store.removeFile(this.#directory, HEAD_FILE);
    for (const [index, { start, bytes }] of plan.shards.entries()) {
      if (start + bytes <= this.#position) await this.#hashLater(index);
    }
  }

  async #copyFromHead(head: OpenFile, { file: name, start, bytes }: ShardPlan['shards'][number]): Promise<void> {
    const end = Math.min(start + bytes, this.#position);
    const file = await this.#store.open(this.#directory, name, 'append');
    try {
      file.truncate(0);
      const step = new Uint8Array(Math.min(STEP_BYTES, end - start));
      for (let at = start; at < end; at += step.length) {
        const part = step.subarray(0, end - at);
        head.read(part, at);
        file.write(part, at - start);
      }
      file.flush();
      release(step);
    } finally {
      file.close();
    }
  }

  async #finishShard(): Promise<void> {
    const growing = this.#growing;
    if (growing?.index === undefined) return;
    growing.file.close();
    this.#growing = undefined;
    await this.#hashLater(growing.index);
  }

  /** One shard is hashed while the next is written; a third has to wait, so that no more than one is in memory. */
  async #hashLater(index: number): Promise<void> {
    await this.#hashed;
    this.#hashed = this.#hashShard(index);
    // Whoever waits next gets the error.
    this.#hashed.catch(() => {});
  }

  async #hashShard(index: number): Promise<void> {
    const { file, bytes } = this.#plan!.shards[index];
    this.#hasher ??= new ShardHasher(this.#store, this.#directory);
    const sha256 = await this.#hasher.hex(file, bytes);
    if (!sha256) throw new LapisError('corrupt', `${file} is not as long as what was written.`);
    this.journal.shards[index] = { file, bytes, sha256 };
    await writeRecord(this.#store, JOURNAL_FILE, this.journal);
  }

  /** Goes on where an earlier attempt has ended, without what was in flight then. */
  async #recover(logged: number): Promise<void> {
    const files = new Map((await this.#store.files(this.#directory)).map(({ name, bytes }) => [name, bytes]));
    const head = files.get(HEAD_FILE);
    if (head !== undefined) {
      this.journal.shards = [];
      this.#position = Math.min(logged, head);
      this.#growing = await this.#openTarget();
      this.#growing.file.truncate(this.#position);
      await this.#cutHead();
      return;
    }
    const recovered = await recoverShards(this.#store, this.journal, logged, this.#options);
    if (!recovered) {
      this.journal.shards = [];
      return;
    }
    const { plan, position } = recovered;
    this.#plan = plan;
    this.#position = position;
    const whole = plan.shards.filter(({ start, bytes }) => start + bytes <= position).length;
    this.journal.shards.length = Math.min(this.journal.shards.length, whole);
    if (whole < plan.shards.length) {
      this.#growing = await this.#openTarget();
      this.#growing.file.truncate(position - this.#growing.start);
    }
    for (let index = this.journal.shards.length; index < whole; index++) await this.#hashLater(index);
  }
}
