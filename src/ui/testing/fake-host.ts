import type { BenchmarkEvent } from '../../protocol/benchmark.ts';
import { LapisError } from '../../protocol/errors.ts';
import type {
  ChatEvent,
  ChatSettings,
  ChatSnapshot,
  DownloadState,
  FoundModel,
  HostStatus,
  LapisHost,
  ModelEntry,
  VerifyResult,
} from '../../protocol/host.ts';
import { DEMO_MODEL, GEMMA_MODEL } from './models.ts';

/** What a test may look at and steer. */
export interface FakeHost extends LapisHost {
  /** Every call with its arguments, in order. */
  readonly calls: { name: string; args: unknown[] }[];
  setStatus(change: Partial<HostStatus>): void;
  /** Ends the start of an engine that was `starting`. */
  start(): void;
  setChat(change: Partial<ChatSnapshot>): void;
  /** Appends to the answer that is being generated. */
  say(text: string): void;
  /** Ends the answer. */
  finish(change?: Partial<ChatSnapshot>): void;
  /** Changes what a download shows. */
  setDownload(id: string, change: Partial<DownloadState>): void;
  /** All bytes are there: the model is stored. */
  finishDownload(id: string): void;
  /** The engine died: whoever waits for a download hears of it, and the download goes on as it was. */
  dropDownloads(): void;
  /** Tells whoever waits for a measurement; a result or an error ends it. */
  measured(event: BenchmarkEvent): void;
  /** The next call of this method rejects. */
  failNext(name: keyof LapisHost, error: LapisError): void;
}

/** The first state of a pretended host; everything may be left out. */
export interface FakeState {
  /** Its engine has yet to start: nobody hears of it until then. */
  starting?: boolean;
  status?: Partial<HostStatus>;
  chat?: Partial<ChatSnapshot>;
  models?: ModelEntry[];
  /** The terms that were accepted before. */
  accepted?: string[];
  /** What any address leads to. */
  found?: FoundModel;
  verified?: VerifyResult;
}

const TIMINGS = { loadMs: 900, prefillMs: 120, firstTokenMs: 412, decodeTokensPerSecond: 48.3 };

/** A host without an engine: it does what its test says, and answers each question with an echo. */
export function fakeHost(initial: FakeState = {}): FakeHost {
  let status: HostStatus = {
    softwareAdapter: false,
    adapter: { vendor: 'example', architecture: 'test-1', description: 'Example GPU 4000' },
    selectedModelId: 'demo',
    loadedModelId: 'demo',
    activity: { kind: 'none' },
    downloads: [],
    models: 1,
    storage: { usedBytes: 9_800_000, freeBytes: 52_400_000_000 },
    notices: [],
    gpuBytes: 41_200_000,
    schemaVersion: 1,
    ...initial.status,
  };
  let chat: ChatSnapshot = { messages: [], generating: false, ...initial.chat };
  let settings: ChatSettings = {
    system: '',
    sampling: { temperature: 1, topK: 64, topP: 0.95, minP: 0 },
    maxTokens: 1024,
  };
  let models = initial.models ?? [DEMO_MODEL, GEMMA_MODEL];
  const accepted = new Set(initial.accepted);
  const downloading = new Map<string, { resolve: (model: ModelEntry) => void; reject: (error: LapisError) => void }>();
  const statusWatchers = new Set<ReadableStreamDefaultController<HostStatus>>();
  const chatWatchers = new Set<ReadableStreamDefaultController<ChatEvent>>();
  let measuring: ReadableStreamDefaultController<BenchmarkEvent> | undefined;
  let start = () => {};
  const started = initial.starting
    ? new Promise<void>((resolve) => {
        start = resolve;
      })
    : undefined;
  const failures = new Map<string, LapisError>();
  const calls: FakeHost['calls'] = [];

  const watch = <T>(watchers: Set<ReadableStreamDefaultController<T>>, first: T) => {
    let own: ReadableStreamDefaultController<T>;
    return new ReadableStream<T>({
      start(controller) {
        own = controller;
        watchers.add(controller);
        controller.enqueue(structuredClone(first));
      },
      cancel() {
        watchers.delete(own);
      },
    });
  };
  const tell = <T>(watchers: Set<ReadableStreamDefaultController<T>>, value: T) => {
    for (const watcher of watchers) watcher.enqueue(structuredClone(value));
  };
  const called = (name: keyof LapisHost | 'cancelBenchmark', ...args: unknown[]) => {
    calls.push({ name, args });
    const failure = failures.get(name);
    failures.delete(name);
    if (failure) throw failure;
  };

  const setModels = (next: ModelEntry[], change: Partial<HostStatus> = {}) => {
    models = next;
    host.setStatus({ models: status.models + 1, ...change });
  };
  const without = (id: string) => status.downloads.filter(({ modelId }) => modelId !== id);

  const host: FakeHost = {
    calls,
    setStatus(change) {
      status = { ...status, ...change };
      tell(statusWatchers, status);
    },
    setChat(change) {
      chat = { ...chat, ...change };
      tell(chatWatchers, { type: 'snapshot', chat });
    },
    say(text) {
      const messages = [...chat.messages];
      const last = messages.at(-1);
      if (last?.role === 'assistant') messages[messages.length - 1] = { ...last, content: last.content + text };
      else messages.push({ role: 'assistant', content: text });
      chat = { ...chat, messages };
      tell(chatWatchers, { type: 'delta', text });
    },
    finish(change) {
      host.setChat({ generating: false, timings: TIMINGS, ...change });
    },
    setDownload(id, change) {
      host.setStatus({
        downloads: status.downloads.map((download) =>
          download.modelId === id ? { ...download, ...change } : download,
        ),
      });
      if (change.phase === 'failed') downloading.get(id)?.reject(LapisError.fromPayload(change.error!));
    },
    finishDownload(id) {
      const { name = id, bytesTotal: bytes = 0 } = status.downloads.find(({ modelId }) => modelId === id) ?? {};
      const entry = {
        ...(models.find((model) => model.id === id) ?? { ...GEMMA_MODEL, id, name, bytes }),
        stored: true,
      };
      setModels([...models.filter((model) => model.id !== id), entry], { downloads: without(id) });
      downloading.get(id)?.resolve(entry);
    },
    dropDownloads() {
      const waiting = [...downloading.values()];
      downloading.clear();
      for (const { reject } of waiting) reject(new LapisError('peer-lost', 'The engine died.'));
    },
    failNext: (name, error) => failures.set(name, error),
    start: () => start(),

    async watchStatus() {
      await started;
      called('watchStatus');
      return watch(statusWatchers, status);
    },
    async watchChat() {
      return watch<ChatEvent>(chatWatchers, { type: 'snapshot', chat });
    },
    async listModels() {
      return structuredClone(models);
    },
    async selectModel(id) {
      called('selectModel', id);
      host.setStatus({ selectedModelId: id, loadedModelId: id, error: undefined });
    },
    async importModel(file) {
      called('importModel', file.name);
      const entry = { ...DEMO_MODEL, id: `file:${file.name}`, name: file.name, bytes: file.size };
      setModels([...models, entry], { selectedModelId: entry.id, loadedModelId: entry.id });
      return entry;
    },
    async importFolder(directory) {
      called('importFolder', directory.name);
      const entry = { ...DEMO_MODEL, id: `folder:${directory.name}`, name: directory.name };
      setModels([...models, entry], { selectedModelId: entry.id, loadedModelId: entry.id });
      return entry;
    },
    async findModel(text) {
      called('findModel', text);
      if (!initial.found) throw new LapisError('network', 'There is no such file on huggingface.co (404)');
      return initial.found;
    },
    async acceptedTerms() {
      return [...accepted];
    },
    async acceptTerms(url) {
      called('acceptTerms', url);
      accepted.add(url);
    },
    async downloadModel(id) {
      called('downloadModel', id);
      const model = models.find((one) => one.id === id) ?? { ...initial.found!, id };
      if (!accepted.has(model.license.url)) throw new LapisError('not-allowed', 'The terms have not been accepted.');
      const { name, bytes: bytesTotal, url } = model;
      const known = status.downloads.find(({ modelId }) => modelId === id);
      const begun = { modelId: id, name, host: new URL(url!).host, bytesDone: 0, bytesTotal };
      host.setStatus({
        downloads: [...without(id), { ...begun, ...known, phase: 'downloading', error: undefined }],
      });
      return new Promise((resolve, reject) => downloading.set(id, { resolve, reject }));
    },
    async pauseDownload(id) {
      called('pauseDownload', id);
      host.setDownload(id, { phase: 'paused', bytesPerSecond: undefined, secondsLeft: undefined });
    },
    async resumeDownload(id) {
      called('resumeDownload', id);
      host.setDownload(id, { phase: 'downloading' });
    },
    async cancelDownload(id) {
      called('cancelDownload', id);
      host.setStatus({ downloads: without(id) });
      downloading.get(id)?.reject(new LapisError('aborted', 'The download was cancelled.'));
    },
    async cancelModelActivity() {
      called('cancelModelActivity');
      host.setStatus({ activity: { kind: 'none' } });
    },
    async unloadModel() {
      called('unloadModel');
      host.setStatus({ loadedModelId: undefined, gpuBytes: 0 });
    },
    async verifyModel(id) {
      called('verifyModel', id);
      return initial.verified ?? { damaged: [], repaired: [] };
    },
    async exportModel(id, directory) {
      called('exportModel', id, directory.name);
    },
    async dismissNotices(times) {
      called('dismissNotices', [...times]);
      host.setStatus({ notices: status.notices.filter(({ at }) => !times.includes(at)) });
    },
    async removeModel(id) {
      called('removeModel', id);
      setModels(
        models.flatMap((model) => {
          if (model.id !== id) return [model];
          return model.url && !model.purged ? [{ ...model, stored: false, details: undefined }] : [];
        }),
        { selectedModelId: 'demo', loadedModelId: 'demo' },
      );
    },
    async generate() {
      throw new LapisError('unsupported', 'The pretended host generates nothing outside the chat.');
    },
    async runBenchmark() {
      called('runBenchmark');
      return new ReadableStream({
        start(controller) {
          measuring = controller;
        },
        cancel: () => called('cancelBenchmark'),
      });
    },
    measured(event) {
      measuring?.enqueue(event);
      if (event.type !== 'progress') measuring?.close();
    },
    async sendChat(text) {
      called('sendChat', text);
      const messages = [...chat.messages, { role: 'user' as const, content: text }];
      host.setChat({ messages, generating: true, error: undefined });
    },
    async stopChat() {
      called('stopChat');
      const unanswered = chat.messages.at(-1)?.role === 'user';
      host.finish({ error: unanswered ? { code: 'aborted', message: 'The answer was stopped.' } : undefined });
    },
    async retryChat() {
      called('retryChat');
      const messages = chat.messages.at(-1)?.role === 'assistant' ? chat.messages.slice(0, -1) : chat.messages;
      host.setChat({ messages, generating: true, error: undefined });
    },
    async newChat() {
      called('newChat');
      host.setChat({ messages: [], generating: false, error: undefined, timings: undefined });
    },
    async chatSettings() {
      return structuredClone(settings);
    },
    async setChatSettings(next) {
      called('setChatSettings', next);
      settings = structuredClone(next);
    },
    async ping() {},
  };
  return host;
}
