import type { WeightProgress } from '../model/source.ts';
import { LapisError } from '../protocol/errors.ts';
import type { ModelActivity, ModelEntry } from '../protocol/host.ts';
import type { CatalogueModel } from '../storage/catalogue.ts';
import type { ModelStore } from '../storage/model-store.ts';
import type { ModelRecord } from '../storage/record.ts';
import type { KeyValue } from './key-value.ts';
import type { RunningModel, StartModel } from './running-model.ts';
import type { StatusBoard } from './status-board.ts';

export interface ModelsOptions {
  store: ModelStore;
  status: StatusBoard;
  keyValue: KeyValue;
  start: StartModel;
  /** Ends what the loaded model is doing, before it is given up. */
  stopWork: () => Promise<void>;
  /** What this build can get: the first is selected when the selected one is removed. */
  catalogue: readonly CatalogueModel[];
}

/** Under which the selected model's id is kept. */
export const SELECTED_MODEL_KEY = 'selected-model';

/** Progress reaches pages at most this often. */
const PROGRESS_EVERY_MS = 100;

type Activity = Exclude<ModelActivity, { kind: 'none' }>;

type Work<T> = (signal: AbortSignal, onProgress: (bytesDone: number, bytesTotal: number) => void) => Promise<T>;

/** Which models there are, which is selected, and the one that is loaded. */
export class Models {
  readonly #store: ModelStore;
  readonly #status: StatusBoard;
  readonly #keyValue: KeyValue;
  readonly #start: StartModel;
  readonly #stopWork: () => Promise<void>;
  readonly #catalogue: readonly CatalogueModel[];
  #running: { id: string; model: RunningModel } | undefined;
  #activity: { stop: AbortController; done: Promise<unknown> } | undefined;
  #loading: { id: string; done: Promise<RunningModel> } | undefined;

  constructor({ store, status, keyValue, start, stopWork, catalogue }: ModelsOptions) {
    this.#store = store;
    this.#status = status;
    this.#keyValue = keyValue;
    this.#start = start;
    this.#stopWork = stopWork;
    this.#catalogue = catalogue;
    status.update({ notices: [...store.notices] });
  }

  get busy(): boolean {
    return this.#activity !== undefined;
  }

  list(): ModelEntry[] {
    const known = this.#catalogue.map((model): ModelEntry => {
      const { id, name, license, note, origin } = model;
      const record = this.#store.record(id);
      return {
        id,
        name,
        bytes: record?.bytes ?? model.bytes,
        stored: record !== undefined || origin.kind === 'package',
        ...(origin.kind === 'url' && { url: origin.url }),
        license,
        note,
      };
    });
    const ids = new Set(known.map(({ id }) => id));
    return [
      ...known,
      ...this.#store
        .records()
        .filter(({ id }) => !ids.has(id))
        .map(entryOf),
    ];
  }

  /**
   * The selected model on the GPU, loaded if it is not there. Callers at the same time share one load.
   *
   * @throws LapisError what the load throws
   */
  async ready(): Promise<RunningModel> {
    for (;;) {
      const id = this.#status.current.selectedModelId;
      if (this.#running?.id === id) return this.#running.model;
      if (!this.#loading) return this.#load(id);
      if (this.#loading.id === id) return this.#loading.done;
      // Another model is being selected: if that succeeds it is the one to answer.
      await this.#loading.done.catch(() => {});
    }
  }

  /** @throws LapisError `no-model`, `busy`, and what a load throws; the one before stays selected then */
  async select(id: string): Promise<void> {
    if (this.#loading && this.#loading.id !== id) this.#requireIdle();
    if (this.#loading) await this.#loading.done;
    if (this.#running?.id !== id) {
      await this.#load(id);
      return;
    }
    // What failed before, such as a download, is no trouble of a model that runs.
    this.#status.update({ error: undefined });
    await this.#keepSelected(id);
  }

  async importFile(file: File): Promise<ModelEntry> {
    const id = `file:${file.name}`;
    this.#requireIdle();
    if (this.#running?.id === id) await this.#unload();
    const record = await this.#run(
      { kind: 'storing', modelId: id, bytesDone: 0, bytesTotal: file.size },
      (signal, onProgress) => this.#store.importFile(file, { signal, onProgress }),
    );
    await this.select(record.id);
    return entryOf(record);
  }

  async download(id: string): Promise<ModelEntry> {
    const model = this.#catalogue.find((candidate) => candidate.id === id);
    if (model?.origin.kind !== 'url') throw new LapisError('no-model', `There is no model ${id} to download.`);
    if (!this.#store.record(id)) {
      const begin = {
        kind: 'storing' as const,
        modelId: id,
        bytesDone: 0,
        bytesTotal: model.bytes,
      };
      await this.#run(begin, (signal, onProgress) => this.#store.download(model, { signal, onProgress }));
    }
    return this.#entry(id);
  }

  async cancel(): Promise<void> {
    this.#activity?.stop.abort();
    await this.#activity?.done.catch(() => {});
  }

  /** @throws LapisError `busy`, `no-model` */
  async remove(id: string): Promise<void> {
    this.#requireIdle();
    if (!this.#store.record(id)) throw new LapisError('no-model', `The model ${id} is not stored.`);
    if (this.#running?.id === id) await this.#unload();
    await this.#store.remove(id);
    if (this.#status.current.selectedModelId === id) {
      const next = this.#catalogue[0].id;
      await this.#keyValue.set(SELECTED_MODEL_KEY, next);
      this.#status.update({ selectedModelId: next });
    }
  }

  /** Loads a model and makes it the selected one, before anybody who waits for the load goes on. */
  #load(id: string): Promise<RunningModel> {
    const done = (async () => {
      const packaged = this.#catalogue.find((model) => model.id === id && model.origin.kind === 'package');
      if (!packaged && !this.#store.record(id)) {
        const name = this.#catalogue.find((model) => model.id === id)?.name ?? id.replace(/^file:/, '');
        throw new LapisError('no-model', `${name} is not stored: download it or choose its file in the settings.`);
      }
      await this.#unload();
      if (packaged) {
        await this.#show(
          { kind: 'storing', modelId: id, bytesDone: 0, bytesTotal: packaged.bytes },
          (signal, onProgress) => this.#store.ensurePackaged(packaged, { signal, onProgress }),
        );
      }
      const bytesTotal = this.#store.record(id)?.bytes ?? 0;
      const model = await this.#show(
        { kind: 'loading', modelId: id, bytesDone: 0, bytesTotal },
        (signal, onProgress) => {
          const progress = (done: WeightProgress) => onProgress(done.bytesDone, done.bytesTotal);
          return this.#store.load(id, (source) => this.#start(source, { signal, onProgress: progress }), signal);
        },
      );
      this.#serve(id, model);
      await this.#keepSelected(id);
      return model;
    })();
    const loading = { id, done };
    this.#loading = loading;
    const forget = () => {
      if (this.#loading === loading) this.#loading = undefined;
    };
    done.then(forget, forget);
    return done;
  }

  async #keepSelected(id: string): Promise<void> {
    if (this.#status.current.selectedModelId === id) return;
    await this.#keyValue.set(SELECTED_MODEL_KEY, id);
    this.#status.update({ selectedModelId: id });
  }

  #serve(id: string, model: RunningModel): void {
    this.#running = { id, model };
    const { adapter, softwareAdapter } = model;
    const notices = this.#notices();
    this.#status.update({ loadedModelId: id, adapter, softwareAdapter, gpuBytes: model.gpuBytes(), notices });
    model.lost.then((sentence) => {
      if (this.#running?.model !== model) return;
      this.#running = undefined;
      const error = new LapisError('device-lost', `${sentence} The next prompt loads the model again.`).toPayload();
      this.#status.update({ loadedModelId: undefined, gpuBytes: 0, error });
      model.destroy();
    });
  }

  async #unload(): Promise<void> {
    const running = this.#running;
    if (!running) return;
    this.#running = undefined;
    this.#status.update({ loadedModelId: undefined });
    await this.#stopWork();
    running.model.destroy();
    this.#status.update({ gpuBytes: 0 });
  }

  /** Does one long thing that the person asked for. @throws LapisError `busy` while another is under way */
  async #run<T>(begin: Activity, work: Work<T>): Promise<T> {
    this.#requireIdle();
    return this.#show(begin, work);
  }

  /** Shows what is being done in the status, unless it shows something else already: a model may be loaded during a download. */
  async #show<T>(begin: Activity, work: Work<T>): Promise<T> {
    if (this.#activity) return work(new AbortController().signal, () => {});
    const stop = new AbortController();
    const done = work(stop.signal, this.#progress(begin));
    this.#activity = { stop, done };
    this.#status.update({ activity: begin, error: undefined });
    try {
      return await done;
    } catch (cause) {
      const error = LapisError.from(cause);
      // What the person cancelled is no trouble to report.
      if (error.code !== 'aborted') this.#status.update({ error: error.toPayload() });
      throw error;
    } finally {
      this.#activity = undefined;
      this.#status.update({ activity: { kind: 'none' }, notices: this.#notices() });
    }
  }

  #notices(): string[] {
    const notice = this.#running?.model.notice;
    return notice ? [...this.#store.notices, notice] : [...this.#store.notices];
  }

  #progress(begin: Activity): (bytesDone: number, bytesTotal: number) => void {
    let shownAt = 0;
    return (bytesDone, bytesTotal) => {
      const time = performance.now();
      if (time - shownAt < PROGRESS_EVERY_MS) return;
      shownAt = time;
      const activity = { ...begin, bytesDone, bytesTotal };
      this.#status.update({ activity });
    };
  }

  #requireIdle(): void {
    const { activity } = this.#status.current;
    if (!this.#activity) return;
    const doing = activity.kind === 'none' ? 'working' : activity.kind;
    throw new LapisError('busy', `Lapis is ${doing} a model: wait for it or cancel it first.`);
  }

  #entry(id: string): ModelEntry {
    const entry = this.list().find((candidate) => candidate.id === id);
    if (!entry) throw new LapisError('no-model', `The model ${id} is unknown.`);
    return entry;
  }
}

function entryOf({ id, name, bytes, license }: ModelRecord): ModelEntry {
  return { id, name, bytes, stored: true, license };
}
