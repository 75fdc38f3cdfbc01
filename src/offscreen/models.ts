import type { WeightProgress } from '../model/source.ts';
import { LapisError } from '../protocol/errors.ts';
import type { VerifyResult } from '../protocol/host.ts';
import type { CatalogueModel } from '../storage/catalogue.ts';
import { fileId } from '../storage/import-file.ts';
import type { DownloadableModel, ModelStore } from '../storage/model-store.ts';
import type { ModelRecord } from '../storage/record.ts';
import type { WaitingModel } from '../storage/renew.ts';
import type { Activity, OnProgress, Work } from './activities.ts';
import { Activities } from './activities.ts';
import { BackgroundProbes } from './background-probes.ts';
import type { KeyValue } from './key-value.ts';
import type { Notices } from './notices.ts';
import { probeOf, runProbe } from './probe.ts';
import type { RunningModel, StartModel } from './running-model.ts';
import type { StatusBoard } from './status-board.ts';

export interface ModelsOptions {
  store: ModelStore;
  status: StatusBoard;
  keyValue: KeyValue;
  notices: Notices;
  start: StartModel;
  /** Ends what the loaded model is doing, before it is given up. */
  stopWork: () => Promise<void>;
  /** Whether somebody has asked for an answer, or a measurement, that has not ended. */
  answering: () => boolean;
  /** What this build can get: the first is selected when the selected one is removed. */
  catalogue: readonly CatalogueModel[];
}

/** Under which the selected model's id is kept. */
export const SELECTED_MODEL_KEY = 'selected-model';

/** Under which it is kept that the person unloaded the model and has not used one since. */
export const UNLOADED_KEY = 'unloaded';

/** Which model is selected, the one that is loaded, and the long operations on stored ones. */
export class Models {
  readonly #store: ModelStore;
  readonly #status: StatusBoard;
  readonly #keyValue: KeyValue;
  readonly #notices: Notices;
  readonly #start: StartModel;
  readonly #stopWork: () => Promise<void>;
  readonly #catalogue: readonly CatalogueModel[];
  readonly #activities: Activities;
  readonly #probes: BackgroundProbes;
  #running: { id: string; model: RunningModel } | undefined;
  #loading: { id: string; done: Promise<RunningModel> } | undefined;

  constructor({ store, status, keyValue, notices, start, stopWork, answering, catalogue }: ModelsOptions) {
    this.#store = store;
    this.#status = status;
    this.#keyValue = keyValue;
    this.#notices = notices;
    this.#start = start;
    this.#stopWork = stopWork;
    this.#catalogue = catalogue;
    this.#activities = new Activities(status, () => {
      this.refresh();
      this.goOn();
    });
    this.#probes = new BackgroundProbes({
      store,
      catalogue,
      activities: this.#activities,
      idle: () => !this.#loading && !this.busy && !answering(),
      loaded: (id) => this.#running?.id === id,
      open: async (id, signal, onProgress) => {
        await this.#unload();
        return this.#open(id, signal, onProgress);
      },
    });
    this.refresh();
  }

  get busy(): boolean {
    return this.#activities.busy;
  }

  /** Shows what has changed on the disk: which models there are, what was said about them, the space that they take. */
  refresh(): void {
    this.#notices.add(this.#store.takeNotices());
    this.#status.update({ models: this.#status.current.models + 1, notices: this.#notices.current });
    this.#store.usage().then(
      (storage) => this.#status.update({ storage }),
      // Nothing depends on it: the line in the settings stays as it was.
      () => {},
    );
  }

  async dismissNotices(times: readonly number[]): Promise<void> {
    const dismissed = this.#notices.dismiss(times);
    this.#status.update({ notices: this.#notices.current });
    await dismissed;
  }

  /**
   * Asks a model that was stored its probe, as soon as nobody waits for anything else. Which one is selected stays; the one that
   * is loaded gives way, since there may be no room for two, and comes back with the next prompt.
   */
  probe(id: string): void {
    this.#probes.add(id);
  }

  /** To be called when an answer has ended: probes may wait for that. */
  goOn(): void {
    this.#probes.goOn();
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

  /**
   * Loads the selected model for somebody who is about to ask, unless the person unloaded it: then it waits until they do.
   *
   * @throws LapisError what the load throws
   */
  async prepare(): Promise<void> {
    if (!(await this.#keyValue.get<boolean>(UNLOADED_KEY))) await this.ready();
  }

  /** @throws LapisError `no-model`, `busy`, and what a load throws; the one before stays selected then */
  async select(id: string): Promise<void> {
    if (this.#loading && this.#loading.id !== id) this.#activities.requireIdle();
    if (this.#loading) await this.#loading.done;
    if (this.#running?.id !== id) {
      await this.#load(id);
      return;
    }
    // What failed before is no trouble of a model that runs.
    this.#status.update({ error: undefined });
    await this.#keepSelected(id);
  }

  /** Gives the GPU memory back until a prompt needs it. @throws LapisError `busy` while a model is being loaded */
  async unload(): Promise<void> {
    if (this.#loading) this.#activities.requireIdle();
    await this.#keepUnloaded(true);
    await this.#probes.giveWay();
    await this.#unload();
  }

  /** Stores and selects a file. @throws LapisError `busy`, and what storing or loading it throws */
  async importFile(file: File): Promise<ModelRecord> {
    const id = fileId(file.name);
    const begin = { kind: 'storing' as const, modelId: id, bytesDone: 0, bytesTotal: file.size };
    const record = await this.#alone(begin, async (signal, onProgress) => {
      if (this.#running?.id === id) await this.#unload();
      return this.#store.importFile(file, { signal, onProgress });
    });
    await this.select(record.id);
    return record;
  }

  /** Stores and selects the model of a folder. @throws LapisError `busy`, and what storing or loading it throws */
  async importFolder(directory: FileSystemDirectoryHandle): Promise<ModelRecord> {
    const begin = { kind: 'importing' as const, modelId: directory.name, bytesDone: 0, bytesTotal: 0 };
    const record = await this.#alone(begin, (signal, onProgress) =>
      this.#store.importFolder(directory, { signal, onProgress }),
    );
    // It may have taken the place of the one that runs.
    if (this.#running?.id === record.id) await this.#unload();
    await this.select(record.id);
    return record;
  }

  /** @throws LapisError `busy`, and what the store throws */
  async exportTo(id: string, directory: FileSystemDirectoryHandle): Promise<void> {
    const bytesTotal = this.#stored(id).bytes;
    await this.#alone({ kind: 'exporting', modelId: id, bytesDone: 0, bytesTotal }, (signal, onProgress) =>
      this.#store.exportTo(id, directory, { signal, onProgress }),
    );
  }

  /** @throws LapisError `busy`, and what the store throws */
  async verify(id: string): Promise<VerifyResult> {
    const bytesTotal = this.#stored(id).bytes;
    return this.#alone({ kind: 'verifying', modelId: id, bytesDone: 0, bytesTotal }, (signal, onProgress) =>
      this.#store.verify(id, { signal, onProgress }),
    );
  }

  /** Ends the operation that the status shows. */
  async cancel(): Promise<void> {
    await this.#activities.cancel();
  }

  /** Deletes a stored model, or forgets one that was. @throws LapisError `busy`, `no-model` */
  async remove(id: string): Promise<void> {
    this.#activities.requireIdle();
    await this.#probes.giveWay();
    // Something may have begun meanwhile.
    this.#activities.requireIdle();
    if (!this.#waiting(id) && !this.#offer(id)) this.#stored(id);
    if (this.#running?.id === id) await this.#unload();
    await this.#store.remove(id);
    if (this.#status.current.selectedModelId === id) {
      const next = this.#catalogue[0].id;
      await this.#keyValue.set(SELECTED_MODEL_KEY, next);
      this.#status.update({ selectedModelId: next });
    }
    this.refresh();
  }

  /** Does one long thing that the person asked for: a probe ends for it. @throws LapisError `busy`, or what `work` throws */
  async #alone<T>(begin: Activity, work: Work<T>): Promise<T> {
    return this.#activities.alone(begin, async (signal, onProgress) => {
      await this.#probes.giveWay();
      return work(signal, onProgress);
    });
  }

  /** Loads a model and makes it the selected one, before anybody who waits for the load goes on. */
  #load(id: string): Promise<RunningModel> {
    const done = (async () => {
      const packaged = this.#catalogue.find((model) => model.id === id && model.origin.kind === 'package');
      const waiting = this.#waiting(id);
      if (waiting && !waiting.renewable) throw new LapisError('no-model', waiting.reason);
      if (!packaged && !waiting && !this.#store.record(id)) {
        const known = this.#catalogue.find((model) => model.id === id) ?? this.#offer(id);
        const name = known?.name ?? id.replace(/^file:/, '');
        throw new LapisError('no-model', `${name} is not stored: download it or choose its file in the settings.`);
      }
      if (packaged || waiting) {
        await this.#probes.giveWay();
        await this.#unload();
      }
      if (packaged) {
        await this.#activities.beside(
          { kind: 'storing', modelId: id, bytesDone: 0, bytesTotal: packaged.bytes },
          (signal, onProgress) => this.#store.ensurePackaged(packaged, { signal, onProgress }),
        );
      }
      if (waiting) {
        await this.#activities.beside(
          { kind: 'verifying', modelId: id, bytesDone: 0, bytesTotal: waiting.bytes },
          (signal, onProgress) => this.#store.renew(id, { signal, onProgress }),
        );
      }
      const bytesTotal = this.#store.record(id)?.bytes ?? 0;
      const model = await this.#activities.beside(
        { kind: 'loading', modelId: id, bytesDone: 0, bytesTotal },
        async (signal, onProgress) => {
          const probed = await this.#probes.takeOver(id, signal, onProgress);
          await this.#unload();
          const model = probed?.model ?? (await this.#open(id, signal, onProgress));
          await this.#examine(id, model, signal, probed?.asked);
          return model;
        },
      );
      this.#serve(id, model);
      await this.#keepUnloaded(false);
      await this.#keepSelected(id);
      return model;
    })();
    const loading = { id, done };
    this.#loading = loading;
    const forget = () => {
      if (this.#loading === loading) this.#loading = undefined;
      this.goOn();
    };
    done.then(forget, forget);
    return done;
  }

  /**
   * Notes that the model was loaded, and asks one whose bytes are in the catalogue its probe before it answers anybody. At each load, not once:
   * a new version of Lapis, of the driver or of the browser may compute otherwise than the one before. It takes one short prompt.
   *
   * @throws LapisError `aborted`; nothing else that goes wrong here keeps a model from serving
   */
  async #examine(id: string, model: RunningModel, signal: AbortSignal, asked = false): Promise<void> {
    const probe = asked ? undefined : probeOf(this.#catalogue, this.#store.record(id));
    const outcome = probe && (await runProbe(probe, model.engine, signal));
    if (signal.aborted) {
      await model.destroy();
      throw new LapisError('aborted', 'The load was cancelled.');
    }
    await this.#store.markUsed(id).catch(() => {});
    if (outcome) await this.#store.setProbe(id, outcome).catch(() => {});
  }

  #open(id: string, signal: AbortSignal, onProgress: OnProgress): Promise<RunningModel> {
    const progress = (done: WeightProgress) => onProgress(done.bytesDone, done.bytesTotal);
    return this.#store.load(id, (source) => this.#start(source, { signal, onProgress: progress }), signal);
  }

  async #keepSelected(id: string): Promise<void> {
    if (this.#status.current.selectedModelId === id) return;
    await this.#keyValue.set(SELECTED_MODEL_KEY, id);
    this.#status.update({ selectedModelId: id });
  }

  async #keepUnloaded(unloaded: boolean): Promise<void> {
    // Where nothing can be kept the next page loads the model: no reason for either to fail.
    await this.#keyValue.set(UNLOADED_KEY, unloaded).catch(() => {});
  }

  #serve(id: string, model: RunningModel): void {
    this.#running = { id, model };
    const { adapter, softwareAdapter, features } = model;
    const outcome = this.#store.record(id)?.probe?.outcome;
    this.#status.update({
      loadedModelId: id,
      adapter,
      softwareAdapter,
      features,
      gpuBytes: model.gpuBytes(),
      kernelNotice: model.notice,
      suspect: outcome && outcome !== 'passed' ? outcome.failed : undefined,
    });
    model.lost.then((sentence) => {
      if (this.#running?.model !== model) return;
      this.#running = undefined;
      const error = new LapisError('device-lost', `${sentence} The next prompt loads the model again.`).toPayload();
      this.#status.update({
        loadedModelId: undefined,
        suspect: undefined,
        kernelNotice: undefined,
        gpuBytes: 0,
        error,
      });
      void model.destroy();
    });
  }

  async #unload(): Promise<void> {
    const running = this.#running;
    if (!running) return;
    this.#running = undefined;
    this.#status.update({ loadedModelId: undefined, suspect: undefined, kernelNotice: undefined });
    await this.#stopWork();
    await running.model.destroy();
    this.#status.update({ gpuBytes: 0 });
  }

  #waiting(id: string): WaitingModel | undefined {
    return this.#store.waiting().find((model) => model.id === id);
  }

  #offer(id: string): DownloadableModel | undefined {
    return this.#store.offers().find((offer) => offer.id === id);
  }

  #stored(id: string): ModelRecord {
    const record = this.#store.record(id);
    if (!record) throw new LapisError('no-model', `The model ${id} is not stored.`);
    return record;
  }
}
