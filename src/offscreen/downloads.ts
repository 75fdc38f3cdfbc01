import { LapisError } from '../protocol/errors.ts';
import type { DownloadPhase, DownloadState } from '../protocol/host.ts';
import type { KeptDownload } from '../protocol/kept-downloads.ts';
import { DOWNLOADS_KEY, isUnderWay } from '../protocol/kept-downloads.ts';
import { AnotherSize } from '../storage/download-model.ts';
import type { DownloadableModel, ModelStore } from '../storage/model-store.ts';
import type { ModelRecord } from '../storage/record.ts';
import { DownloadSpeed } from './download-speed.ts';
import type { KeyValue } from './key-value.ts';
import type { StatusBoard } from './status-board.ts';

export type DownloadStore = Pick<ModelStore, 'download' | 'unfinished' | 'setPaused' | 'discard' | 'record'>;

export interface DownloadsOptions {
  store: DownloadStore;
  status: StatusBoard;
  keyValue: KeyValue;
  /** What is on the disk has changed: a download is stored, stopped or deleted. */
  onDisk: () => void;
  onStored: (id: string) => void;
}

interface Download {
  model: DownloadableModel;
  state: DownloadState;
  speed: DownloadSpeed;
  /** While the store works on it. */
  run?: { stop: AbortController; ended: Promise<void> };
  /** What those who asked for the model wait for: settled when it is stored, has failed or was cancelled. */
  outcome: Outcome;
  /** Pauses, resumes and cancellations happen one after the other. */
  steered: Promise<void>;
}

/** Progress reaches pages at most this often. */
const PROGRESS_EVERY_MS = 200;
/** How often the speed is taken anew when nothing else happens: a connection that stands still is to be seen. */
const TICK_MS = 1_000;

/**
 * The downloads: one runs, the others wait in the order in which they were asked for. Whoever asks for a model whose download is
 * there joins it. What was under way when a context died goes on with the next engine worker; what was paused stays so.
 */
export class Downloads {
  readonly #store: DownloadStore;
  readonly #status: StatusBoard;
  readonly #keyValue: KeyValue;
  readonly #onDisk: () => void;
  readonly #onStored: (id: string) => void;
  readonly #downloads = new Map<string, Download>();
  #running: Download | undefined;
  #shownAt = Number.NEGATIVE_INFINITY;
  /** What is kept for the next engine worker, to write only what changes; and the last write. */
  #keptText = '';
  #kept: Promise<unknown> = Promise.resolve();

  constructor({ store, status, keyValue, onDisk, onStored }: DownloadsOptions) {
    this.#store = store;
    this.#status = status;
    this.#keyValue = keyValue;
    this.#onDisk = onDisk;
    this.#onStored = onStored;
  }

  /** Whether one is under way, and not paused or failed. */
  get busy(): boolean {
    return [...this.#downloads.values()].some(({ state }) => isUnderWay(state));
  }

  /** What the download of that id is to bring, until it is stored or cancelled. */
  model(id: string): DownloadableModel | undefined {
    return this.#downloads.get(id)?.model;
  }

  /** Takes up what an earlier engine worker left. */
  async restore(): Promise<void> {
    const kept = (await this.#keyValue.get<Kept[]>(DOWNLOADS_KEY)) ?? [];
    for (const { model, bytesDone, bytesTotal, paused } of await this.#store.unfinished()) {
      // Cut off in the middle of a pause or a resumption, it rests.
      const known = kept.find((other) => other.model.id === model.id);
      const download = this.#add(model, paused || known?.paused ? 'paused' : 'queued');
      download.state = { ...download.state, bytesDone, bytesTotal, notice: known?.notice };
    }
    // One that waited its turn, or for a click, has left nothing on the disk.
    for (const { model, paused, notice, anotherSize } of kept) {
      if (this.#downloads.has(model.id) || this.#store.record(model.id)) continue;
      const download = this.#add(model, paused ? 'paused' : 'queued');
      download.state = { ...download.state, notice, anotherSize };
    }
    this.#changed();
  }

  /**
   * Starts, resumes or joins a download.
   *
   * @throws LapisError `aborted` when it is cancelled, or what the store throws
   */
  start(model: DownloadableModel): Promise<ModelRecord> {
    const known = this.#downloads.get(model.id);
    if (!known) {
      const { outcome } = this.#add(model, 'queued');
      this.#changed();
      return outcome.promise;
    }
    // One that is just being paused or cancelled is looked at when it has been.
    return known.steered.then(async () => {
      if (this.#downloads.get(model.id) !== known) return this.start(model);
      await this.#steer(known, () => this.#queue(known));
      return known.outcome.promise;
    });
  }

  async pause(id: string): Promise<void> {
    const download = this.#get(id);
    await this.#steer(download, async () => {
      if (!isUnderWay(download.state)) return;
      if (!(await this.#stop(download, 'The download was paused.'))) return;
      await this.#setPaused(id, true);
      this.#update(download, { phase: 'paused' });
      this.#changed();
    });
  }

  async resume(id: string): Promise<void> {
    const download = this.#get(id);
    await this.#steer(download, () => this.#queue(download));
  }

  async cancel(id: string): Promise<void> {
    const download = this.#get(id);
    await this.#steer(download, async () => {
      if (!(await this.#stop(download, 'The download was cancelled.'))) return;
      this.#downloads.delete(id);
      this.#changed();
      await this.#kept;
      await this.#store.discard(id);
      this.#onDisk();
      download.outcome.reject(new LapisError('aborted', `The download of ${download.model.name} was cancelled.`));
    });
  }

  #get(id: string): Download {
    const download = this.#downloads.get(id);
    if (!download) throw new LapisError('no-model', `There is no download of ${id}.`);
    return download;
  }

  #add(model: DownloadableModel, phase: DownloadPhase): Download {
    const { id: modelId, name, bytes: bytesTotal } = model;
    const { host } = new URL(model.origin.url);
    const download: Download = {
      model,
      state: { modelId, name, phase, host, bytesDone: 0, bytesTotal },
      speed: new DownloadSpeed(),
      outcome: outcome(),
      steered: Promise.resolve(),
    };
    this.#downloads.set(modelId, download);
    return download;
  }

  #steer(download: Download, work: () => Promise<void>): Promise<void> {
    const done = download.steered.then(work);
    download.steered = done.catch(() => {});
    return done;
  }

  /** Lets a paused or failed download wait for its turn. */
  async #queue(download: Download): Promise<void> {
    const { modelId, phase } = download.state;
    if (isUnderWay(download.state) || this.#downloads.get(modelId) !== download) return;
    if (phase === 'paused') await this.#setPaused(modelId, false);
    else download.outcome = outcome();
    this.#update(download, { phase: 'queued', error: undefined, notice: undefined, anotherSize: undefined });
    this.#changed();
  }

  /** Ends the run, if there is one. False when the model was stored all the same, or is cancelled already. */
  async #stop(download: Download, reason: string): Promise<boolean> {
    download.run?.stop.abort(new LapisError('aborted', reason));
    await download.run?.ended;
    return this.#downloads.get(download.model.id) === download;
  }

  /** After any change of which downloads there are: keeps and shows them, and starts the next. */
  #changed(): void {
    this.#keep();
    const next = [...this.#downloads.values()].find(({ state }) => state.phase === 'queued');
    if (!this.#running && next) {
      this.#running = next;
      const stop = new AbortController();
      next.run = { stop, ended: this.#run(next, stop.signal) };
    }
    this.#show();
  }

  async #run(download: Download, signal: AbortSignal): Promise<void> {
    const { model, outcome } = download;
    download.speed = new DownloadSpeed();
    this.#update(download, { phase: 'downloading', error: undefined });
    const ticking = setInterval(() => this.#progress(download), TICK_MS);
    try {
      const record = await this.#store.download(model, {
        signal,
        onProgress: (bytesDone, bytesTotal) => {
          download.state = { ...download.state, bytesDone, bytesTotal };
          if (performance.now() - this.#shownAt >= PROGRESS_EVERY_MS) this.#progress(download);
        },
        onPhase: (phase, retry) => {
          this.#update(download, { phase, retryAt: retry?.retryAt, error: retry?.error });
          this.#show();
        },
        onNotice: (notice) => {
          this.#update(download, { notice });
          this.#show();
        },
      });
      this.#downloads.delete(model.id);
      outcome.resolve(record);
      this.#onStored(model.id);
    } catch (cause) {
      const error = LapisError.from(cause);
      if (error instanceof AnotherSize) {
        download.model = error.model;
        const { bytes: bytesTotal } = error.model;
        const { message: notice } = error;
        const rests = { phase: 'paused', notice, anotherSize: true } as const;
        this.#update(download, { ...rests, error: undefined, bytesDone: 0, bytesTotal });
      } else if (!signal.aborted) {
        // Whoever stopped it says what it is from now on.
        this.#update(download, { phase: 'failed', error: error.toPayload() });
        outcome.reject(error);
      }
    } finally {
      clearInterval(ticking);
      download.run = undefined;
      this.#running = undefined;
      this.#onDisk();
      // A stopped one must not begin anew before it has been paused or deleted.
      if (signal.aborted) this.#update(download, { phase: 'paused' });
      this.#changed();
    }
  }

  #progress(download: Download): void {
    const { state, speed } = download;
    const time = performance.now();
    speed.note(state.bytesDone, time);
    const bytesPerSecond = state.phase === 'downloading' ? speed.bytesPerSecond(time) : undefined;
    const left = state.bytesTotal - state.bytesDone;
    const secondsLeft = bytesPerSecond ? left / bytesPerSecond : undefined;
    download.state = { ...state, bytesPerSecond, secondsLeft };
    this.#show();
  }

  /** What belongs to the phase before goes with it. */
  #update(download: Download, change: Partial<DownloadState>): void {
    const { bytesPerSecond: _, secondsLeft: __, retryAt: ___, ...kept } = download.state;
    download.state = { ...kept, ...change };
  }

  #show(): void {
    this.#shownAt = performance.now();
    this.#status.update({ downloads: [...this.#downloads.values()].map(({ state }) => state) });
  }

  #keep(): void {
    const kept: Kept[] = [...this.#downloads.values()]
      .filter(({ state }) => state.phase !== 'failed')
      .map(({ model, state }) => ({
        model,
        paused: state.phase === 'paused',
        notice: state.notice,
        anotherSize: state.anotherSize,
      }));
    const text = JSON.stringify(kept);
    if (text === this.#keptText) return;
    this.#keptText = text;
    this.#kept = this.#kept.then(() => this.#keyValue.set(DOWNLOADS_KEY, kept)).catch(() => {});
  }

  async #setPaused(id: string, paused: boolean): Promise<void> {
    try {
      await this.#store.setPaused(id, paused);
    } catch (error) {
      // One that still waited for its turn is kept in the list alone.
      if (LapisError.from(error).code !== 'no-model') throw error;
    }
  }
}

interface Kept extends KeptDownload {
  model: DownloadableModel;
  notice?: string;
  anotherSize?: true;
}

interface Outcome {
  promise: Promise<ModelRecord>;
  resolve(record: ModelRecord): void;
  reject(error: LapisError): void;
}

function outcome(): Outcome {
  let resolve!: Outcome['resolve'];
  let reject!: Outcome['reject'];
  const promise = new Promise<ModelRecord>((...settle) => {
    [resolve, reject] = settle;
  });
  // Nobody may be waiting: the download's state says it too.
  promise.catch(() => {});
  return { promise, resolve, reject };
}
