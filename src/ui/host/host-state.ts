import type { ReadonlySignal, Signal } from '@preact/signals';
import { effect, signal } from '@preact/signals';
import { LapisError } from '../../protocol/errors.ts';
import type { Timings } from '../../protocol/generation.ts';
import type { ChatEvent, ChatSnapshot, HostStatus, LapisHost, ModelEntry } from '../../protocol/host.ts';
import { harmlessly } from '../harmless.ts';

/** The engine as a page sees it: signals that follow its streams, with harmless names and sentences. */
export interface HostState {
  readonly host: LapisHost;
  readonly status: ReadonlySignal<HostStatus | undefined>;
  readonly chat: ReadonlySignal<ChatSnapshot | undefined>;
  readonly models: ReadonlySignal<ModelEntry[]>;
  /** Of the answers that ended while this page looked on, by message index. */
  readonly timings: ReadonlySignal<Record<number, Timings>>;
  /** Why the engine cannot be reached at all. */
  readonly unreachable: ReadonlySignal<LapisError | undefined>;
  /** Why the last thing that the person asked for did not happen; a page may clear it. */
  readonly failure: Signal<LapisError | undefined>;
  /** Takes the streams up again after `unreachable`. */
  reconnect(): void;
  /** The status, for which it waits while the engine starts; tries anew to reach one that is unreachable. Rejects with `unreachable`. */
  reached(): Promise<HostStatus>;
  /** Runs what the person asked for; its error becomes `failure`. Resolves to whether it succeeded. */
  attempt(action: () => Promise<unknown>): Promise<boolean>;
  dispose(): void;
}

/** @param watches which streams the page needs; the status always comes. */
export function createHostState(host: LapisHost, watches: { chat: boolean }): HostState {
  const status = signal<HostStatus>();
  const chat = signal<ChatSnapshot>();
  const models = signal<ModelEntry[]>([]);
  const timings = signal<Record<number, Timings>>({});
  const unreachable = signal<LapisError>();
  const failure = signal<LapisError>();
  let ended = new AbortController();

  let modelsKnownFor = '';
  const onStatus = (next: HostStatus) => {
    status.value = harmlessly(next);
    // The revision alone would do, but an engine that died and came back counts anew.
    const revision = [next.models, next.selectedModelId, next.loadedModelId, next.activity.kind].join('|');
    if (revision === modelsKnownFor) return;
    modelsKnownFor = revision;
    host.listModels().then(
      (list) => {
        // A later list may have come first.
        if (modelsKnownFor === revision) models.value = harmlessly(list);
      },
      () => {
        if (modelsKnownFor === revision) modelsKnownFor = '';
      },
    );
  };

  const onChat = (event: ChatEvent) => {
    chat.value = applyChatEvent(chat.value, event);
    if (event.type !== 'snapshot') return;
    const { messages, generating, timings: latest } = event.chat;
    const kept = Object.entries(timings.value).filter(([index]) => messages[Number(index)]?.role === 'assistant');
    const last = messages.length - 1;
    if (generating) timings.value = Object.fromEntries(kept.filter(([index]) => Number(index) < last));
    else if (latest && messages[last]?.role === 'assistant') {
      timings.value = { ...Object.fromEntries(kept), [last]: latest };
    } else timings.value = Object.fromEntries(kept);
  };

  const follow = async <T>(open: () => Promise<ReadableStream<T>>, take: (value: T) => void, signal: AbortSignal) => {
    try {
      const reader = (await open()).getReader();
      signal.addEventListener('abort', () => reader.cancel().catch(() => {}));
      for (;;) {
        const { done, value } = await reader.read();
        if (signal.aborted) return;
        if (done) throw new LapisError('peer-lost', 'The engine stopped.');
        unreachable.value = undefined;
        take(value);
      }
    } catch (error) {
      if (!signal.aborted) unreachable.value = LapisError.from(error);
    }
  };

  const start = () => {
    ended.abort();
    ended = new AbortController();
    unreachable.value = undefined;
    // What was known of an engine that is gone says nothing about the next.
    status.value = undefined;
    modelsKnownFor = '';
    follow(() => host.watchStatus(), onStatus, ended.signal);
    if (watches.chat) follow(() => host.watchChat(), onChat, ended.signal);
  };
  start();

  return {
    host,
    status,
    chat,
    models,
    timings,
    unreachable,
    failure,
    reconnect: start,
    async reached() {
      if (unreachable.value) start();
      let stop = () => {};
      await new Promise<void>((resolve) => {
        stop = effect(() => {
          if (unreachable.value || status.value) resolve();
        });
      });
      stop();
      if (unreachable.value) throw unreachable.value;
      return status.value!;
    },
    async attempt(action) {
      failure.value = undefined;
      try {
        await action();
        return true;
      } catch (error) {
        const reason = LapisError.from(error);
        // The person cancelled it: nothing to explain.
        if (reason.code !== 'aborted') failure.value = reason;
        return false;
      }
    },
    dispose: () => ended.abort(),
  };
}

/** The conversation after an event. A delta before any assistant message begins one. */
export function applyChatEvent(chat: ChatSnapshot | undefined, event: ChatEvent): ChatSnapshot {
  if (event.type === 'snapshot') return event.chat;
  const before = chat ?? { messages: [], generating: true };
  const messages = [...before.messages];
  const last = messages.at(-1);
  if (last?.role === 'assistant') messages[messages.length - 1] = { ...last, content: last.content + event.text };
  else messages.push({ role: 'assistant', content: event.text });
  return { ...before, messages };
}
