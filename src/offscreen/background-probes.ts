import type { CatalogueModel } from '../storage/catalogue.ts';
import type { ModelStore } from '../storage/model-store.ts';
import type { Activities, OnProgress } from './activities.ts';
import { probeOf, runProbe } from './probe.ts';
import type { RunningModel } from './running-model.ts';

export interface BackgroundProbesOptions {
  store: Pick<ModelStore, 'record' | 'setProbe'>;
  catalogue: readonly CatalogueModel[];
  activities: Activities;
  /** Whether nothing that a person waits for is under way. */
  idle: () => boolean;
  loaded: (id: string) => boolean;
  /** Brings a model onto the GPU in the place of the one that is there. */
  open: (id: string, signal: AbortSignal, onProgress: OnProgress) => Promise<RunningModel>;
}

/** A model on the GPU, and whether it has answered its probe there. */
export interface ProbedModel {
  model: RunningModel;
  asked: boolean;
}

/** A model that is being asked, or is on its way to that. */
interface Asking {
  id: string;
  stop: AbortController;
  /** Whoever has ended it: `stop`, or a person who saw it in the status. */
  signal: AbortSignal;
  done: Promise<void>;
  /** Who wants to use the model when it is on the GPU, and what is told meanwhile. */
  wanted?: { onProgress: OnProgress };
  left?: ProbedModel;
  error?: unknown;
}

/**
 * The probes of models that were stored and that nobody uses yet, one after another while there is nothing else to do. What a
 * person asks for comes first and ends the one under way: its model is then asked when it is loaded.
 */
export class BackgroundProbes {
  readonly #options: BackgroundProbesOptions;
  readonly #waiting = new Set<string>();
  #asking: Asking | undefined;

  constructor(options: BackgroundProbesOptions) {
    this.#options = options;
  }

  add(id: string): void {
    this.#waiting.add(id);
    this.goOn();
  }

  /** Begins with the next one, if nothing is under way. To be called whenever something has ended. */
  goOn(): void {
    const [id] = this.#waiting;
    if (id === undefined || this.#asking || !this.#options.idle()) return;
    this.#waiting.delete(id);
    const stop = new AbortController();
    const asking: Asking = { id, stop, signal: stop.signal, done: Promise.resolve() };
    this.#asking = asking;
    asking.done = this.#ask(asking)
      // Whatever keeps it from being asked is told to who wants the model, or when it is used.
      .catch((error: unknown) => {
        asking.error = error;
      })
      .then(() => {
        this.#asking = undefined;
        if (!stop.signal.aborted && !asking.wanted) this.goOn();
      });
  }

  /** Ends the one under way; resolves when its memory has been given back. */
  async giveWay(): Promise<void> {
    this.#asking?.stop.abort();
    await this.#asking?.done;
  }

  /**
   * The model, if it is the one that is on its way to be asked, which is then the caller's, as is its load: `signal` ends that, and
   * what it fails with is thrown. Otherwise ends the one under way.
   *
   * @throws LapisError what the load throws
   */
  async takeOver(id: string, signal: AbortSignal, onProgress: OnProgress): Promise<ProbedModel | undefined> {
    const asking = this.#asking;
    if (asking?.id !== id || asking.signal.aborted) {
      await this.giveWay();
      return undefined;
    }
    asking.wanted = { onProgress };
    const forward = () => asking.stop.abort(signal.reason);
    signal.addEventListener('abort', forward);
    await asking.done;
    signal.removeEventListener('abort', forward);
    if (!asking.left && asking.error !== undefined) throw asking.error;
    return asking.left;
  }

  async #ask(asking: Asking): Promise<void> {
    const { id, stop } = asking;
    const { store, catalogue, activities, loaded, open } = this.#options;
    const record = store.record(id);
    const probe = probeOf(catalogue, record);
    // A model is asked when it is loaded, too.
    if (!record || !probe || record.probe || loaded(id)) return;
    const begin = { kind: 'probing' as const, modelId: id, bytesDone: 0, bytesTotal: record.bytes };
    await activities.quietly(begin, async (cancelled, onProgress) => {
      const signal = AbortSignal.any([stop.signal, cancelled]);
      asking.signal = signal;
      const model = await open(id, signal, (bytesDone, bytesTotal) => {
        onProgress(bytesDone, bytesTotal);
        asking.wanted?.onProgress(bytesDone, bytesTotal);
      });
      let asked = false;
      try {
        const outcome = signal.aborted ? undefined : await runProbe(probe, model.engine, signal);
        asked = outcome !== undefined;
        if (outcome) await store.setProbe(id, outcome);
      } finally {
        if (asking.wanted && !signal.aborted) asking.left = { model, asked };
        else await model.destroy();
      }
    });
  }
}
