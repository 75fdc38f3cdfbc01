import { NORMS_FILE, withNorms } from '../model/derived-norms.ts';
import { MANIFEST_FILE } from '../model/manifest.ts';
import { openShards, sha256Hex } from '../model/shards.ts';
import type { ModelSource } from '../model/source.ts';
import { LapisError } from '../protocol/errors.ts';
import type { VerifyResult } from '../protocol/host.ts';
import type { CatalogueModel } from './catalogue.ts';
import { completeRecord } from './derive.ts';
import type { DownloadableModel, DownloadOptions } from './download-model.ts';
import { downloadModel } from './download-model.ts';
import type { Environment, StorageOptions } from './environment.ts';
import { environment } from './environment.ts';
import { exportModel } from './export-model.ts';
import { fileId, importFile } from './import-file.ts';
import { folderModel, importFolder } from './import-folder.ts';
import type { IngestOptions } from './ingest.ts';
import { copyPackaged, packageManifest } from './package-model.ts';
import { storedBytes } from './progress-log.ts';
import type { SweepResult } from './purge.ts';
import { keptImportOf, purge, purgeFetched, sweep } from './purge.ts';
import type { ModelRecord, ProbeOutcome } from './record.ts';
import { directoryOf, JOURNAL_FILE, PAUSED_FILE, RECORD_FILE, readRecord, writeRecord } from './record.ts';
import type { WaitingModel } from './renew.ts';
import { renewStored, waitingFor } from './renew.ts';
import { makeWhole, verifyModel } from './repair.ts';
import { storedFolder } from './stored-folder.ts';
import { Writings } from './writings.ts';

export type { DownloadableModel, DownloadOptions } from './download-model.ts';

/** A download that was begun and is not complete. */
export interface UnfinishedDownload {
  model: DownloadableModel;
  bytesDone: number;
  bytesTotal: number;
  /** The person's wish, which outlives a restart. */
  paused: boolean;
}

/** The models on disk. Opening it sweeps: from then on everything that it holds is of this schema version. */
export class ModelStore {
  /** What was purged or repaired and why, in sentences for a person. */
  readonly notices: string[];
  readonly #env: Environment;
  readonly #records: Map<string, ModelRecord>;
  readonly #offers: Map<string, ModelRecord>;
  readonly #waiting: Map<string, WaitingModel>;
  readonly #writings = new Writings();

  static async open(options: StorageOptions): Promise<ModelStore> {
    const env = environment(options);
    return new ModelStore(env, await sweep(env));
  }

  private constructor(env: Environment, { records, waiting, offers, notices }: SweepResult) {
    this.notices = notices;
    this.#env = env;
    this.#records = records;
    this.#waiting = waiting;
    this.#offers = offers;
  }

  /** The notices since it was opened or asked last. */
  takeNotices(): string[] {
    return this.notices.splice(0);
  }

  /** The models that may be served. */
  records(): ModelRecord[] {
    return [...this.#records.values()];
  }

  /** What is kept, and served only when its file or folder has been chosen again, or when it could be made anew after all. */
  waiting(): WaitingModel[] {
    return [...this.#waiting.values()];
  }

  record(id: string): ModelRecord | undefined {
    return this.#records.get(id);
  }

  /** What had to be deleted and can be downloaded again, until it is or is given up. */
  offers(): DownloadableModel[] {
    return [...this.#offers.values()].flatMap((offer) => downloadable(offer) ?? []);
  }

  /** The catalogue as this build can serve it: packaged models with their size, and without those that were not packaged. */
  async available(catalogue: readonly CatalogueModel[]): Promise<CatalogueModel[]> {
    const checked = catalogue.map(async (model): Promise<CatalogueModel[]> => {
      if (model.origin.kind !== 'package') return [model];
      try {
        const { manifest } = await packageManifest({ ...this.#env, path: model.origin.path });
        return [{ ...model, bytes: manifest.shards.reduce((sum, { bytes }) => sum + bytes, 0) }];
      } catch (error) {
        // A stale or damaged package is offered, so that choosing it says what is wrong.
        return LapisError.from(error).code === 'no-model' ? [] : [model];
      }
    });
    return (await Promise.all(checked)).flat();
  }

  /**
   * Stores a GGUF from disk as `file:NAME`; its header is read first, so a wrong file costs one sentence and no space. Where
   * the same file is stored already, only what is damaged of it is put back; an import that was cut off goes on.
   *
   * @throws LapisError `bad-request` when it cannot be read, `corrupt`, `not-gemma`, `unsupported`, `quota`, `busy`, `aborted`
   */
  async importFile(file: File, options: IngestOptions = {}): Promise<ModelRecord> {
    const id = fileId(file.name);
    return this.#store(id, options, (own) => importFile(this.#env, file, own));
  }

  /**
   * Stores the model of a shard folder, whose hashes are checked, or of a Hugging Face folder, which is quantized as `convert`
   * does.
   *
   * @throws LapisError `bad-request` for neither or when it cannot be read, `corrupt`, `stale`, `not-gemma`, `unsupported`, `quota`,
   * `busy`, `aborted`
   */
  async importFolder(directory: FileSystemDirectoryHandle, options: IngestOptions = {}): Promise<ModelRecord> {
    const { id } = await folderModel(directory);
    return this.#store(id, options, (own) => importFolder(this.#env, directory, own));
  }

  /**
   * Stores a file from its URL, or goes on with what an earlier attempt has stored of it, at the byte that it had reached. Where
   * all of it waits to be made anew, that is done without a download.
   * Bytes that do not hash to the pin are deleted. Aborting keeps what was fetched; `discard` deletes it.
   *
   * @throws LapisError `network`, `corrupt`, `not-gemma`, `unsupported`, `quota`, `busy`, `aborted` or the signal's reason
   */
  async download(model: DownloadableModel, options: DownloadOptions = {}): Promise<ModelRecord> {
    return this.#store(model.id, options, async (own) => {
      const renewed = await renewStored(this.#env, model, own);
      if (renewed) return renewed;
      this.#waiting.delete(model.id);
      return downloadModel(this.#env, model, own);
    });
  }

  /**
   * Makes a waiting model anew from what is stored of it.
   *
   * @throws LapisError `no-model` when it does not wait for that, `busy`, `aborted`, or why it goes on waiting
   */
  async renew(id: string, options: IngestOptions = {}): Promise<ModelRecord> {
    const { files } = this.#env;
    const record = await readRecord(files, directoryOf(id), RECORD_FILE);
    if (!this.#waiting.get(id)?.renewable || !record || record === 'damaged') {
      throw new LapisError('no-model', `Nothing stored of ${id} waits to be made anew.`);
    }
    return this.#store(id, options, async (own) => {
      try {
        return await makeWhole(this.#env, record, own);
      } catch (cause) {
        const error = LapisError.from(cause);
        const waiting = error.code === 'aborted' ? undefined : waitingFor(this.#env, record, error);
        if (!waiting) throw error;
        this.#waiting.set(id, waiting);
        throw new LapisError(error.code, waiting.reason, { cause });
      }
    });
  }

  /** The downloads that can be gone on with. */
  async unfinished(): Promise<UnfinishedDownload[]> {
    const { files } = this.#env;
    const found: UnfinishedDownload[] = [];
    for (const directory of await files.directories()) {
      const journal = await readRecord(files, directory, JOURNAL_FILE);
      if (!journal || journal === 'damaged') continue;
      const model = downloadable(journal);
      if (!model || this.#records.has(model.id)) continue;
      found.push({
        model,
        bytesDone: await storedBytes(files, journal, this.#writings.bytesDone(model.id)),
        bytesTotal: model.bytes,
        paused: (await files.files(directory)).some((file) => file.name === PAUSED_FILE),
      });
    }
    return found;
  }

  /** Keeps whether the person wants the download to rest, across restarts. @throws LapisError `no-model` when there is none */
  async setPaused(id: string, paused: boolean): Promise<void> {
    const { files } = this.#env;
    const directory = directoryOf(id);
    if (!(await readRecord(files, directory, JOURNAL_FILE))) {
      throw new LapisError('no-model', `There is no unfinished download of ${id}.`);
    }
    if (paused) await files.write(directory, PAUSED_FILE, new Uint8Array(0));
    else await files.removeFile(directory, PAUSED_FILE);
  }

  /**
   * Ends a download and deletes what was fetched; returns the bytes freed. A complete model stays, one that waits too, and so does
   * the offer of what had to be deleted before.
   */
  async discard(id: string): Promise<number> {
    await this.#writings.stop(id);
    return this.#records.has(id) || this.#waiting.has(id) ? 0 : purgeFetched(this.#env.files, directoryOf(id));
  }

  /**
   * Copies a packaged shard folder into storage, unless the copy that is there is of this package: an update may bring another.
   *
   * @throws LapisError `no-model` when the package has no such folder, `stale`, `corrupt`, `quota`, `busy`, `aborted`
   */
  async ensurePackaged(model: CatalogueModel, options: IngestOptions = {}): Promise<ModelRecord> {
    const { origin } = model;
    if (origin.kind !== 'package') throw new LapisError('bad-request', `${model.name} is not in the package.`);
    const source = { ...this.#env, path: origin.path, signal: options.signal };
    const found = await packageManifest(source);
    const stored = this.#records.get(model.id);
    if (stored?.manifestSha256 === found.sha256) return stored;
    return this.#store(model.id, options, async (own) => {
      return completeRecord(this.#env, await copyPackaged(this.#env, model, origin, found, own));
    });
  }

  /**
   * Opens a stored model and gives it to `load`, whose reading hashes every shard. When bytes turn out to be damaged, they are
   * brought back from where the model came from and `load` is called once more.
   *
   * @throws LapisError `no-model`, `corrupt`, or what `load` throws
   */
  async load<T>(id: string, load: (source: ModelSource) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const record = this.#require(id);
    try {
      return await load(await this.#open(record, signal));
    } catch (error) {
      if (LapisError.from(error).code !== 'corrupt') throw error;
      const { damaged, repaired } = await this.verify(id, { signal });
      if (damaged.length === 0) throw error;
      this.notices.push(...repaired);
      const lasting = damaged.find((sentence) => !sentence.endsWith('was damaged.'));
      if (lasting) throw new LapisError('corrupt', lasting, { cause: error });
      return load(await this.#open(this.#require(id), signal));
    }
  }

  /**
   * Hashes every file of a stored model, and brings damaged ones back from its source where that can be had. A sentence for
   * each damaged file, and one for each that was repaired.
   *
   * @throws LapisError `no-model`, `busy`, `aborted`
   */
  async verify(id: string, options: IngestOptions = {}): Promise<VerifyResult> {
    const record = this.#require(id);
    const { damaged, repaired } = await this.#writings.run(id, options, async (own) => {
      const result = await verifyModel(this.#env, record, own);
      // It may have been used or have answered its probe meanwhile.
      const { lastUsedAt, probe } = this.#require(id);
      if (result.record !== record) await this.#amend(id, { ...result.record, lastUsedAt, probe });
      return result;
    });
    return { damaged, repaired };
  }

  /**
   * Writes a stored model as a shard folder, which the command line opens and `importFolder` takes.
   *
   * @throws LapisError `no-model`, `bad-request` when there is a model in the folder, `corrupt`, `quota`, `aborted`
   */
  async exportTo(id: string, directory: FileSystemDirectoryHandle, options: IngestOptions = {}): Promise<void> {
    await exportModel(this.#env.files, this.#require(id), directory, options);
  }

  /** Records that a model was loaded now. @throws LapisError `no-model` */
  async markUsed(id: string): Promise<void> {
    await this.#amend(id, { lastUsedAt: this.#env.clock.now() });
  }

  /** Records how a model did on its probe, under this schema version. @throws LapisError `no-model` */
  async setProbe(id: string, outcome: ProbeOutcome): Promise<void> {
    await this.#amend(id, { probe: { schemaVersion: this.#env.recipe.schemaVersion, outcome } });
  }

  /** What everything stored takes, and how much more the browser would store. */
  async usage(): Promise<{ usedBytes: number; freeBytes?: number }> {
    const { files } = this.#env;
    let usedBytes = 0;
    for (const directory of await files.directories()) {
      for (const { bytes } of await files.files(directory)) usedBytes += bytes;
    }
    const freeBytes = await files.freeBytes();
    return freeBytes === undefined ? { usedBytes } : { usedBytes, freeBytes };
  }

  /** Deletes a model, finished or not; returns the bytes freed. */
  async remove(id: string): Promise<number> {
    await this.#writings.stop(id);
    this.#records.delete(id);
    this.#offers.delete(id);
    this.#waiting.delete(id);
    return purge(this.#env.files, directoryOf(id));
  }

  #require(id: string): ModelRecord {
    const record = this.#records.get(id);
    if (!record) throw new LapisError('no-model', `The model ${id} is not stored.`);
    return record;
  }

  async #open(record: ModelRecord, signal?: AbortSignal): Promise<ModelSource> {
    const { files, startDigests } = this.#env;
    const directory = directoryOf(record.id);
    const checked = async (file: string, sha256: string | undefined) => {
      const bytes = await files.read(directory, file);
      if (bytes && (await sha256Hex(bytes)) === sha256) return bytes;
      throw new LapisError('corrupt', `The stored ${file} of ${record.name} is damaged.`);
    };
    await checked(MANIFEST_FILE, record.manifestSha256);
    const source = await openShards(storedFolder(files, directory), signal, startDigests);
    return record.norms ? withNorms(source, await checked(NORMS_FILE, record.norms.sha256)) : source;
  }

  async #amend(id: string, change: Partial<ModelRecord>): Promise<void> {
    const record = { ...this.#require(id), ...change };
    this.#records.set(id, record);
    await writeRecord(this.#env.files, RECORD_FILE, record);
  }

  /** Makes a model, which is not served meanwhile. */
  async #store<O extends IngestOptions>(
    id: string,
    options: O,
    make: (options: O) => Promise<ModelRecord>,
  ): Promise<ModelRecord> {
    return this.#writings.run(id, options, async (own) => {
      try {
        const record = await make(own);
        this.#records.set(id, record);
        this.#offers.delete(id);
        this.#waiting.delete(id);
        return record;
      } catch (error) {
        // What was stored before may have made room already.
        const { files } = this.#env;
        const left = await readRecord(files, directoryOf(id), RECORD_FILE).catch(() => undefined);
        if (left === undefined) this.#records.delete(id);
        const kept = await keptImportOf(this.#env, id).catch(() => undefined);
        if (kept) this.#waiting.set(id, kept);
        else if ((await files.files(directoryOf(id)).catch(() => [])).length === 0) this.#waiting.delete(id);
        throw error;
      }
    });
  }
}

function downloadable({ id, name, bytes, license, origin }: ModelRecord): DownloadableModel | undefined {
  return origin.kind === 'url' ? { id, name, bytes, license, origin } : undefined;
}
