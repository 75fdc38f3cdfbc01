import type { ChatOverrides } from '../protocol/chat-settings.ts';
import { chatSettingsOf, overridesOf } from '../protocol/chat-settings.ts';
import { LapisError } from '../protocol/errors.ts';
import type { GenerateEvent, GenerateRequest } from '../protocol/generation.ts';
import type { ChatSettings, LapisHost } from '../protocol/host.ts';
import type { CatalogueModel } from '../storage/catalogue.ts';
import { DEMO_MODEL_ID } from '../storage/catalogue.ts';
import type { StorageOptions } from '../storage/environment.ts';
import { ModelStore } from '../storage/model-store.ts';
import { Benchmark } from './benchmark.ts';
import { Chat } from './chat.ts';
import { Downloads } from './downloads.ts';
import type { KeyValue } from './key-value.ts';
import type { ModelEntriesOptions } from './model-entries.ts';
import { ModelEntries } from './model-entries.ts';
import { ModelSources } from './model-sources.ts';
import { Models, SELECTED_MODEL_KEY } from './models.ts';
import { Notices } from './notices.ts';
import type { StartModel } from './running-model.ts';
import { StatusBoard } from './status-board.ts';
import { Terms } from './terms.ts';

export interface EngineHost extends LapisHost {
  /** Whether something is under way that the worker's end would cut off. */
  busy(): boolean;
}

export interface EngineHostOptions {
  /** Where models are kept. */
  storage: StorageOptions;
  /** What can be had; of what is packaged, only what is there is offered. */
  catalogue: readonly CatalogueModel[];
  keyValue: KeyValue;
  start: StartModel;
  /** Bytes of GPU memory that a model takes at the default context length. */
  gpuBytes: ModelEntriesOptions['gpuBytes'];
}

/** Under which the person's ChatOverrides are kept. */
const OVERRIDES_KEY = 'chat-overrides';

/** Everything that pages may ask for, in one place. Opening it sweeps the storage before anything is served. */
export async function openEngineHost(options: EngineHostOptions): Promise<EngineHost> {
  const { keyValue, start, gpuBytes } = options;
  const selected = (await keyValue.get<string>(SELECTED_MODEL_KEY)) ?? DEMO_MODEL_ID;
  const store = await ModelStore.open(options.storage);
  const notices = await Notices.open(keyValue);
  const status = new StatusBoard(selected);

  const working = new Set<{ stop: AbortController; done: Promise<void> }>();
  /** Requests that have no end yet, those that wait for the model included. */
  let asked = 0;
  const benchmark = new Benchmark({
    ready: () => models.ready(),
    generating: () => working.size > 0,
    onEnd: () => models.goOn(),
  });
  const stopWork = async () => {
    await benchmark.giveWay('The model was unloaded, which ended the measurement.');
    for (const { stop } of working) stop.abort();
    await Promise.all([...working].map(({ done }) => done));
  };
  const catalogue = await store.available(options.catalogue);
  const answering = () => asked > 0 || benchmark.running;
  const models = new Models({ store, status, keyValue, notices, start, stopWork, answering, catalogue });
  const entries = new ModelEntries({ store, catalogue, gpuBytes });
  const terms = new Terms(keyValue);
  const downloads = new Downloads({
    store,
    status,
    keyValue,
    onDisk: () => models.refresh(),
    onStored: (id) => models.probe(id),
  });
  const sources = new ModelSources(catalogue, store, downloads);

  /** One generation with the selected model, which is loaded first if need be. Always ends with one `end` or `error`. */
  async function* generate(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<GenerateEvent> {
    const stop = new AbortController();
    let cancel!: (reason: LapisError) => void;
    const cancelled = new Promise<never>((_, reject) => {
      cancel = reject;
    });
    // Without a reader of its own it would be reported as unhandled once nothing waits for it.
    cancelled.catch(() => {});
    const forward = () => {
      stop.abort(signal.reason);
      cancel(new LapisError('aborted', 'The request was cancelled.'));
    };
    signal.addEventListener('abort', forward);
    if (signal.aborted) forward();
    let finish!: () => void;
    const done = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const work = { stop, done };
    asked++;
    try {
      // A load goes on without the one who asked for it: the next will want the model too.
      const { engine } = await Promise.race([models.ready(), cancelled]);
      working.add(work);
      await benchmark.giveWay('An answer was asked for, which ended the measurement: it comes first.');
      yield* engine.generate(request, { signal: stop.signal });
    } catch (error) {
      yield { type: 'error', error: LapisError.from(error).toPayload() };
    } finally {
      signal.removeEventListener('abort', forward);
      working.delete(work);
      finish();
      asked--;
      models.goOn();
    }
  }

  const settings = async (): Promise<ChatSettings> => {
    const overrides = await keyValue.get<ChatOverrides>(OVERRIDES_KEY);
    return chatSettingsOf(overrides ?? {}, status.current.selectedModelId);
  };
  const chat = await Chat.open({ keyValue, generate, settings });
  await downloads.restore();

  return {
    busy: () => working.size > 0 || benchmark.running || models.busy || downloads.busy,
    watchStatus: async () => status.watch(),
    listModels: async () => entries.list(),
    selectModel: (id) => models.select(id),
    importModel: async (file) => entries.get((await models.importFile(file)).id),
    findModel: (text) => sources.find(text),
    async downloadModel(id) {
      if (!store.record(id)) {
        const model = sources.get(id);
        await terms.require(model);
        await downloads.start(model);
      }
      return entries.get(id);
    },
    pauseDownload: (id) => downloads.pause(id),
    resumeDownload: (id) => downloads.resume(id),
    cancelDownload: (id) => downloads.cancel(id),
    acceptTerms: (url) => terms.accept(url),
    acceptedTerms: () => terms.accepted(),
    cancelModelActivity: () => models.cancel(),
    unloadModel: () => models.unload(),
    removeModel: (id) => models.remove(id),
    verifyModel: (id) => models.verify(id),
    exportModel: (id, directory) => models.exportTo(id, directory),
    importFolder: async (directory) => entries.get((await models.importFolder(directory)).id),
    dismissNotices: (times) => models.dismissNotices(times),
    generate: async (request) => streamOf((signal) => generate(request, signal)),
    runBenchmark: async () => benchmark.run(),
    async watchChat() {
      // Someone is about to ask: the model is loaded meanwhile. What fails is in the status.
      models.prepare().catch(() => {});
      return chat.watch();
    },
    sendChat: (text) => chat.send(text),
    stopChat: () => chat.stop(),
    retryChat: () => chat.retry(),
    newChat: () => chat.clear(),
    chatSettings: settings,
    setChatSettings: (next) => keyValue.set(OVERRIDES_KEY, overridesOf(next, status.current.selectedModelId)),
    ping: async () => {},
  };
}

/** Events as a stream whose cancellation aborts their making. They are made as fast as they come, whoever reads. */
function streamOf(make: (signal: AbortSignal) => AsyncIterable<GenerateEvent>): ReadableStream<GenerateEvent> {
  const stop = new AbortController();
  return new ReadableStream({
    async start(controller) {
      void (async () => {
        for await (const event of make(stop.signal)) if (!stop.signal.aborted) controller.enqueue(event);
        if (!stop.signal.aborted) controller.close();
      })();
    },
    cancel(reason) {
      stop.abort(reason);
    },
  });
}
