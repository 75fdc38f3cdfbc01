import { LapisError } from '../../protocol/errors.ts';
import type { ChatEvent, ChatSettings, ChatSnapshot, HostStatus, LapisHost, ModelEntry } from '../../protocol/host.ts';

/** What a test may look at and steer. */
export interface FakeHost extends LapisHost {
  /** Every call with its arguments, in order. */
  readonly calls: { name: string; args: unknown[] }[];
  setStatus(change: Partial<HostStatus>): void;
  setChat(change: Partial<ChatSnapshot>): void;
  /** Appends to the answer that is being generated. */
  say(text: string): void;
  /** Ends the answer. */
  finish(change?: Partial<ChatSnapshot>): void;
  /** The next call of this method rejects. */
  failNext(name: keyof LapisHost, error: LapisError): void;
}

export const DEMO_MODEL: ModelEntry = {
  id: 'demo',
  name: 'Lapis demo',
  bytes: 9_800_000,
  stored: true,
  license: { name: 'Apache 2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
  note: 'A toy with a Gemma 3 architecture, to try Lapis offline and to check a GPU. It is not Gemma.',
};

export const GEMMA_MODEL: ModelEntry = {
  id: 'gemma-3-1b-it-q4_k_m',
  name: 'Gemma 3 1B',
  bytes: 806_058_240,
  stored: false,
  url: 'https://huggingface.co/example/gemma-3-1b-it',
  license: { name: 'Gemma Terms of Use', url: 'https://ai.google.dev/gemma/terms' },
  note: 'Instruction-tuned by Google, quantized to 4 bits. Needs about 1 GB of GPU memory.',
};

const TIMINGS = { loadMs: 900, prefillMs: 120, firstTokenMs: 412, decodeTokensPerSecond: 48.3 };

/** A host without an engine: it does what its test says, and answers each question with an echo. */
export function fakeHost(initial: { status?: Partial<HostStatus>; chat?: Partial<ChatSnapshot> } = {}): FakeHost {
  let status: HostStatus = {
    softwareAdapter: false,
    adapter: { vendor: 'example', architecture: 'test-1', description: 'Example GPU 4000' },
    selectedModelId: 'demo',
    loadedModelId: 'demo',
    activity: { kind: 'none' },
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
  let models = [DEMO_MODEL, GEMMA_MODEL];
  const statusWatchers = new Set<ReadableStreamDefaultController<HostStatus>>();
  const chatWatchers = new Set<ReadableStreamDefaultController<ChatEvent>>();
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
  const called = (name: keyof LapisHost, ...args: unknown[]) => {
    calls.push({ name, args });
    const failure = failures.get(name);
    failures.delete(name);
    if (failure) throw failure;
  };

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
    failNext: (name, error) => failures.set(name, error),

    async watchStatus() {
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
      models = [...models, entry];
      host.setStatus({ selectedModelId: entry.id, loadedModelId: entry.id });
      return entry;
    },
    async downloadModel(id) {
      called('downloadModel', id);
      models = models.map((model) => (model.id === id ? { ...model, stored: true } : model));
      host.setStatus({ selectedModelId: id, loadedModelId: id });
      return models.find((model) => model.id === id)!;
    },
    async cancelModelActivity() {
      called('cancelModelActivity');
      host.setStatus({ activity: { kind: 'none' } });
    },
    async removeModel(id) {
      called('removeModel', id);
      models = models.map((model) => (model.id === id ? { ...model, stored: false } : model));
      host.setStatus({ selectedModelId: 'demo', loadedModelId: 'demo' });
    },
    async generate() {
      throw new LapisError('unsupported', 'The pretended host generates nothing outside the chat.');
    },
    async sendChat(text) {
      called('sendChat', text);
      const messages = [...chat.messages, { role: 'user' as const, content: text }];
      host.setChat({ messages, generating: true, error: undefined });
    },
    async stopChat() {
      called('stopChat');
      host.finish();
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
