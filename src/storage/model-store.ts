import { blobSource } from '../model/byte-source.ts';
import { openGguf } from '../model/gguf.ts';
import { MANIFEST_FILE } from '../model/manifest.ts';
import { WEIGHTS_SCHEMA_VERSION } from '../model/schema-version.ts';
import { openShards, sha256Hex } from '../model/shards.ts';
import type { ModelSource } from '../model/source.ts';
import type { ErrorPayload } from '../protocol/errors.ts';
import { LapisError } from '../protocol/errors.ts';
import type { VerifyResult } from '../protocol/host.ts';
import type { CatalogueModel, UrlOrigin } from './catalogue.ts';
import { GEMMA_TERMS } from './catalogue.ts';
import type { Fetch } from './download.ts';
import { download } from './download.ts';
import type { FileStore } from './file-store.ts';
import type { IngestOptions } from './gguf-ingest.ts';
import { completeGguf, completeRecord, ingestGguf, journalledBytes } from './gguf-ingest.ts';
import { checkedPackageFile, packageManifest } from './package-model.ts';
import { purge, sweep } from './purge.ts';
import type { ModelRecord, Origin, ProbeOutcome } from './record.ts';
import { directoryOf, JOURNAL_FILE, LAYOUT_VERSION, readRecord } from './record.ts';
import { repairModel } from './repair.ts';
import { incrementalSha256 } from './sha256.ts';
import { sizeText } from './size-text.ts';
import { storedFolder } from './stored-folder.ts';

export interface ModelStoreOptions {
  files: FileStore;
  /** The URL of a file in the extension's package. */
  packageUrl: (path: string) => string;
  fetch?: Fetch;
  /** At most this many bytes in a shard, for tests. */
  shardBytes?: number;
}

/** What can be downloaded: an entry of the catalogue or a source that was looked up. */
export interface DownloadableModel {
  id: string;
  name: string;
  bytes: number;
  license: { name: string; url: string };
  origin: UrlOrigin;
}

export interface DownloadOptions {
  /** Aborting keeps what was fetched; `discard` deletes it. */
  signal?: AbortSignal;
  onProgress?: (bytesDone: number, bytesTotal: number) => void;
  onPhase?: (phase: 'downloading' | 'retrying' | 'preparing', detail?: RetryDetail) => void;
  /** What happened, in a sentence: that the source changed and the download began anew, say. */
  onNotice?: (sentence: string) => void;
}

export interface RetryDetail {
  /** Of the next attempt, in milliseconds since 1970. */
  retryAt: number;
  error: ErrorPayload;
}

/** A download that was begun and is not complete. */
export interface UnfinishedDownload {
  model: DownloadableModel;
  bytesDone: number;
  bytesTotal: number;
  /** The person's wish, which outlives a restart. */
  paused: boolean;
}

/** How a long operation on one model is watched and ended. */
export interface OperationOptions {
  signal?: AbortSignal;
  onProgress?: (bytesDone: number, bytesTotal: number) => void;
}

const BLOB_PIECE = 4 * 1024 * 1024;

/** The models on disk. Opening it sweeps: from then on everything that it holds is of this schema version. */
export class ModelStore {
  /** What was purged or repaired and why, in sentences for a person. */
  readonly notices: string[];
  readonly #files: FileStore;
  readonly #packageUrl: (path: string) => string;
  readonly #fetch: Fetch;
  readonly #shardBytes: number | undefined;
  readonly #records: Map<string, ModelRecord>;

  static async open(options: ModelStoreOptions): Promise<ModelStore> {
    const { records, notices } = await sweep(options.files, WEIGHTS_SCHEMA_VERSION, options.shardBytes);
    return new ModelStore(options, records, notices);
  }

  private constructor(options: ModelStoreOptions, records: Map<string, ModelRecord>, notices: string[]) {
    this.notices = notices;
    this.#files = options.files;
    this.#packageUrl = options.packageUrl;
    this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
    this.#shardBytes = options.shardBytes;
    this.#records = records;
  }

  /** The models that may be served. */
  records(): ModelRecord[] {
    return [...this.#records.values()];
  }

  record(id: string): ModelRecord | undefined {
    return this.#records.get(id);
  }

  /** The catalogue as this build can serve it: packaged models with their size, and without those that were not packaged. */
  async available(catalogue: readonly CatalogueModel[]): Promise<CatalogueModel[]> {
    const checked = catalogue.map(async (model): Promise<CatalogueModel[]> => {
      if (model.origin.kind !== 'package') return [model];
      try {
        const source = { fetch: this.#fetch, packageUrl: this.#packageUrl, path: model.origin.path };
        const { manifest } = await packageManifest(source);
        return [{ ...model, bytes: manifest.shards.reduce((sum, { bytes }) => sum + bytes, 0) }];
      } catch (error) {
        // A stale or damaged package is offered, so that choosing it says what is wrong.
        return LapisError.from(error).code === 'no-model' ? [] : [model];
      }
    });
    return (await Promise.all(checked)).flat();
  }

  /**
   * Stores a GGUF from disk as `file:NAME`; its header is read first, so a wrong file costs one sentence and no space.
   *
   * @throws LapisError `corrupt`, `not-gemma`, `unsupported`, `quota`, `aborted`
   */
  async importFile(file: File, options: IngestOptions = {}): Promise<ModelRecord> {
    const id = `file:${file.name}`;
    await openGguf(blobSource(file), { id, signal: options.signal });
    await this.remove(id);
    await this.#requireSpace(file.size);
    const name = file.name.replace(/\.gguf$/i, '');
    const journal = newJournal({ id, name, license: GEMMA_TERMS }, { kind: 'file', name: file.name }, file.size);
    try {
      await ingestGguf(this.#files, journal, blobPieces(file), this.#ingest(options));
      return this.#serve(await completeGguf(this.#files, journal, this.#ingest(options)));
    } catch (error) {
      await this.remove(id);
      throw error;
    }
  }

  /**
   * Stores a pinned file from its URL. Whole shards that an interrupted attempt left are kept and the rest is asked for from
   * there; bytes that do not hash to the pin are deleted.
   *
   * @throws LapisError `network`, `corrupt`, `quota`, `aborted`
   */
  async download(model: DownloadableModel, options: DownloadOptions = {}): Promise<ModelRecord> {
    const { origin } = model;
    const journal = (await this.#interrupted(model)) ?? newJournal(model, origin, model.bytes);
    if (journal.shards.length === 0) await this.remove(model.id);
    const offset = journalledBytes(journal);
    await this.#requireSpace(model.bytes - offset);

    const whole = incrementalSha256();
    for (const { file } of journal.shards) {
      whole.update((await this.#files.read(directoryOf(model.id), file)) ?? new Uint8Array());
    }
    if (offset < model.bytes) {
      const network = download(origin.url, offset, model.bytes, { fetch: this.#fetch, signal: options.signal });
      await ingestGguf(this.#files, journal, observed(network, whole.update), this.#ingest(options));
    }
    if (whole.hex() !== origin.sha256) {
      await this.remove(model.id);
      throw new LapisError(
        'corrupt',
        `What was downloaded is not ${model.name} as published (its SHA-256 differs), so it was deleted.`,
      );
    }
    return this.#serve(await completeGguf(this.#files, journal, this.#ingest(options)));
  }

  /**
   * Copies a packaged shard folder into storage, unless the copy that is there is of this package: an update may bring another.
   *
   * @throws LapisError `no-model` when the package has no such folder, `stale`, `corrupt`, `quota`, `aborted`
   */
  async ensurePackaged(model: CatalogueModel, options: IngestOptions = {}): Promise<ModelRecord> {
    const { origin } = model;
    if (origin.kind !== 'package') throw new LapisError('bad-request', `${model.name} is not in the package.`);
    const source = { fetch: this.#fetch, packageUrl: this.#packageUrl, path: origin.path, signal: options.signal };
    const { manifest, bytes, sha256 } = await packageManifest(source);
    const stored = this.#records.get(model.id);
    if (stored?.manifestSha256 === sha256) return stored;
    await this.remove(model.id);
    const total = manifest.shards.reduce((sum, shard) => sum + shard.bytes, 0);
    await this.#requireSpace(total + bytes.length);
    const journal = { ...newJournal(model, origin, total), shards: manifest.shards };
    const directory = directoryOf(model.id);
    let done = 0;
    for (const shard of manifest.shards) {
      await this.#files.write(directory, shard.file, await checkedPackageFile(source, shard.file, shard.sha256));
      done += shard.bytes;
      options.onProgress?.(done, total);
    }
    await this.#files.write(directory, MANIFEST_FILE, bytes);
    return this.#serve(await completeRecord(this.#files, journal));
  }

  /**
   * Opens a stored model and gives it to `load`, whose reading hashes every shard. When bytes turn out to be damaged, they are
   * brought back from where the model came from and `load` is called once more.
   *
   * @throws LapisError `no-model`, `corrupt`, `network` when a repair fails, or what `load` throws
   */
  async load<T>(id: string, load: (source: ModelSource) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const record = this.#records.get(id);
    if (!record) throw new LapisError('no-model', `The model ${id} is not stored.`);
    try {
      return await load(await this.#open(record, signal));
    } catch (error) {
      if (LapisError.from(error).code !== 'corrupt') throw error;
      const repaired = await repairModel(record, {
        files: this.#files,
        fetch: this.#fetch,
        packageUrl: this.#packageUrl,
        shardBytes: this.#shardBytes,
        signal,
      });
      if (repaired.length === 0) throw error;
      this.notices.push(...repaired);
      return load(await this.#open(record, signal));
    }
  }

  /** Deletes a model, finished or not; returns the bytes freed. */
  async remove(id: string): Promise<number> {
    this.#records.delete(id);
    return purge(this.#files, directoryOf(id));
  }

  /** The downloads that can be gone on with. */
  async unfinished(): Promise<UnfinishedDownload[]> {
    return [];
  }

  /** Keeps whether the person wants the download to rest, across restarts. @throws LapisError `no-model` when there is none */
  async setPaused(_id: string, _paused: boolean): Promise<void> {}

  /** Ends a download and deletes what was fetched; returns the bytes freed. A complete model stays. */
  async discard(_id: string): Promise<number> {
    return 0;
  }

  /**
   * Hashes every file of a stored model, and brings damaged ones back from its source where that can be had.
   *
   * @throws LapisError `no-model`, `busy`, `aborted`
   */
  async verify(_id: string, _options: OperationOptions = {}): Promise<VerifyResult> {
    return { damaged: [], repaired: [] };
  }

  /**
   * Writes a stored model as a shard folder, which the command line opens and `importFolder` takes.
   *
   * @throws LapisError `no-model`, `bad-request` when there is a model in the folder, `corrupt`, `quota`, `aborted`
   */
  async exportTo(_id: string, _directory: FileSystemDirectoryHandle, _options: OperationOptions = {}): Promise<void> {}

  /**
   * Stores the model of a shard folder, whose hashes are checked, or of a Hugging Face folder, which is quantized as `convert` does.
   *
   * @throws LapisError `bad-request` for neither, `corrupt`, `stale`, `not-gemma`, `unsupported`, `quota`, `aborted`
   */
  async importFolder(directory: FileSystemDirectoryHandle, _options: OperationOptions = {}): Promise<ModelRecord> {
    throw new LapisError('unsupported', `${directory.name} cannot be stored yet.`);
  }

  /** Records that a model was loaded now. */
  async markUsed(_id: string): Promise<void> {}

  /** Records how a model did on its probe, under this schema version. */
  async setProbe(_id: string, _outcome: ProbeOutcome): Promise<void> {}

  /** What everything stored takes, and how much more the browser would store. */
  async usage(): Promise<{ usedBytes: number; freeBytes?: number }> {
    return { usedBytes: 0 };
  }

  async #open(record: ModelRecord, signal?: AbortSignal): Promise<ModelSource> {
    const directory = directoryOf(record.id);
    const manifest = await this.#files.read(directory, MANIFEST_FILE);
    if (!manifest || (await sha256Hex(manifest)) !== record.manifestSha256) {
      throw new LapisError('corrupt', `The stored manifest of ${record.name} is damaged.`);
    }
    return openShards(storedFolder(this.#files, directory), signal);
  }

  /** The journal of this very file that an interrupted download has left. */
  async #interrupted({ id, origin }: DownloadableModel): Promise<ModelRecord | undefined> {
    const journal = await readRecord(this.#files, directoryOf(id), JOURNAL_FILE);
    if (!journal || journal === 'damaged' || journal.origin.kind !== 'url') return undefined;
    return journal.origin.sha256 === origin.sha256 ? journal : undefined;
  }

  async #requireSpace(bytes: number): Promise<void> {
    const free = await this.#files.freeBytes();
    if (free === undefined || free >= bytes) return;
    throw new LapisError(
      'quota',
      `The model needs ${sizeText(bytes)}, but the browser has only ${sizeText(free)} left.`,
    );
  }

  #ingest(options: IngestOptions): IngestOptions {
    return { shardBytes: this.#shardBytes, ...options };
  }

  #serve(record: ModelRecord): ModelRecord {
    this.#records.set(record.id, record);
    return record;
  }
}

function newJournal(model: Pick<ModelRecord, 'id' | 'name' | 'license'>, origin: Origin, bytes: number): ModelRecord {
  const { id, name, license } = model;
  return {
    layout: LAYOUT_VERSION,
    schemaVersion: WEIGHTS_SCHEMA_VERSION,
    id,
    name,
    license,
    origin,
    bytes,
    shards: [],
  };
}

async function* blobPieces(blob: Blob): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < blob.size; at += BLOB_PIECE) {
    yield new Uint8Array(await blob.slice(at, at + BLOB_PIECE).arrayBuffer());
  }
}

async function* observed(
  stream: AsyncIterable<Uint8Array>,
  observe: (bytes: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  for await (const piece of stream) {
    observe(piece);
    yield piece;
  }
}
