import type { ChatOverrides } from '../protocol/chat-settings.ts';
import { chatSettingsOf, overridesOf } from '../protocol/chat-settings.ts';
import { LapisError } from '../protocol/errors.ts';
import type { GenerateEvent, GenerateRequest } from '../protocol/generation.ts';
import type { ChatSettings, LapisHost } from '../protocol/host.ts';
import { CATALOGUE, DEMO_MODEL_ID } from '../storage/catalogue.ts';
import { ModelStore } from '../storage/model-store.ts';
import { openOpfs } from '../storage/opfs.ts';
import { Chat } from './chat.ts';
import type { KeyValue } from './key-value.ts';
import { Models, SELECTED_MODEL_KEY } from './models.ts';
import type { StartModel } from './running-model.ts';
import { StatusBoard } from './status-board.ts';

export interface EngineHost extends LapisHost {
  /** Whether something is under way that the worker's end would cut off. */
  busy(): boolean;
}

export interface EngineHostOptions {
  keyValue: KeyValue;
  start: StartModel;
}

/** Under which the person's ChatOverrides are kept. */
const OVERRIDES_KEY = 'chat-overrides';

/** Everything that pages may ask for, in one place. Opening it sweeps the storage before anything is served. */
export async function openEngineHost({ keyValue, start }: EngineHostOptions): Promise<EngineHost> {
  const selected = (await keyValue.get<string>(SELECTED_MODEL_KEY)) ?? DEMO_MODEL_ID;
  const packageUrl = (path: string) => new URL(`/${path}`, self.location.origin).href;
  const store = await ModelStore.open({ files: await openOpfs(), packageUrl });
  const status = new StatusBoard(selected);

  const working = new Set<{ stop: AbortController; done: Promise<void> }>();
  const stopWork = async () => {
    for (const { stop } of working) stop.abort();
    await Promise.all([...working].map(({ done }) => done));
  };
  const catalogue = await store.available(CATALOGUE);
  const models = new Models({ store, status, keyValue, start, stopWork, catalogue });

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
    try {
      // A load goes on without the one who asked for it: the next will want the model too.
      const { engine } = await Promise.race([models.ready(), cancelled]);
      working.add(work);
      yield* engine.generate(request, { signal: stop.signal });
    } catch (error) {
      yield { type: 'error', error: LapisError.from(error).toPayload() };
    } finally {
      signal.removeEventListener('abort', forward);
      working.delete(work);
      finish();
    }
  }

  const settings = async (): Promise<ChatSettings> => {
    const overrides = await keyValue.get<ChatOverrides>(OVERRIDES_KEY);
    return chatSettingsOf(overrides ?? {}, status.current.selectedModelId);
  };
  const chat = await Chat.open({ keyValue, generate, settings });

  return {
    busy: () => working.size > 0 || models.busy,
    watchStatus: async () => status.watch(),
    listModels: async () => models.list(),
    selectModel: (id) => models.select(id),
    importModel: (file) => models.importFile(file),
    findModel: notYet,
    downloadModel: (id) => models.download(id),
    pauseDownload: notYet,
    resumeDownload: notYet,
    cancelDownload: notYet,
    acceptTerms: notYet,
    acceptedTerms: notYet,
    unloadModel: notYet,
    verifyModel: notYet,
    exportModel: notYet,
    importFolder: notYet,
    cancelModelActivity: () => models.cancel(),
    removeModel: (id) => models.remove(id),
    generate: async (request) => streamOf((signal) => generate(request, signal)),
    async watchChat() {
      // Someone is about to ask: the model is loaded meanwhile. What fails is in the status.
      models.ready().catch(() => {});
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

async function notYet(): Promise<never> {
  throw new LapisError('unsupported', 'This Lapis cannot do that yet.');
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
