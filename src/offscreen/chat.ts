import { LapisError } from '../protocol/errors.ts';
import type { ChatMessage, GenerateEvent, GenerateRequest } from '../protocol/generation.ts';
import type { ChatEvent, ChatSettings, ChatSnapshot } from '../protocol/host.ts';
import { Feed } from './feed.ts';
import type { KeyValue } from './key-value.ts';

export interface ChatOptions {
  keyValue: KeyValue;
  generate: (request: GenerateRequest, signal: AbortSignal) => AsyncIterable<GenerateEvent>;
  settings: () => Promise<ChatSettings>;
  /** How often a growing answer is written to disk; a crash loses at most this much of it. */
  saveEveryMs?: number;
}

const KEY = 'chat';
const SAVE_EVERY_MS = 250;

/**
 * The conversation. It belongs to no page: an answer grows whether or not someone watches, and what has been said so far is kept
 * on disk, so that it survives even this worker.
 */
export class Chat {
  readonly #options: Required<ChatOptions>;
  readonly #feed: Feed<ChatEvent>;
  #state: ChatSnapshot;
  #answer: { stop: AbortController; done: Promise<void> } | undefined;
  #saving: Promise<void> | undefined;
  #saveAgain = false;

  static async open(options: ChatOptions): Promise<Chat> {
    const state = (await options.keyValue.get<ChatSnapshot>(KEY)) ?? { messages: [], generating: false };
    if (state.generating) {
      state.generating = false;
      state.error = new LapisError(
        'peer-lost',
        'The engine stopped in the middle of this answer; what it had said so far is kept.',
      ).toPayload();
      dropEmptyAnswer(state.messages);
    }
    return new Chat(options, state);
  }

  private constructor(options: ChatOptions, state: ChatSnapshot) {
    this.#options = { saveEveryMs: SAVE_EVERY_MS, ...options };
    this.#state = state;
    this.#feed = new Feed((pending, next) => {
      if (next.type === 'snapshot') return next;
      if (pending.type === 'delta') return { type: 'delta', text: pending.text + next.text };
      return this.#snapshot();
    });
  }

  watch(): ReadableStream<ChatEvent> {
    return this.#feed.watch(this.#snapshot());
  }

  /** @throws LapisError `busy` while an answer grows, `bad-request` for an empty message */
  async send(text: string): Promise<void> {
    this.#requireIdle();
    if (text.trim() === '') throw new LapisError('bad-request', 'The message is empty.');
    this.#state.messages.push({ role: 'user', content: text });
    this.#begin();
  }

  /** @throws LapisError `busy` while an answer grows, `bad-request` when nothing was asked yet */
  async retry(): Promise<void> {
    this.#requireIdle();
    const { messages } = this.#state;
    if (messages.at(-1)?.role === 'assistant') messages.pop();
    if (messages.length === 0) throw new LapisError('bad-request', 'There is no answer to repeat yet.');
    this.#begin();
  }

  /** Ends the growing answer and keeps what it has said. */
  async stop(): Promise<void> {
    this.#answer?.stop.abort();
    await this.#answer?.done;
  }

  async clear(): Promise<void> {
    await this.stop();
    this.#state = { messages: [], generating: false };
    this.#changed();
    await this.#save();
  }

  #requireIdle(): void {
    if (this.#answer) throw new LapisError('busy', 'An answer is being written: stop it first.');
  }

  #begin(): void {
    const messages = structuredClone(this.#state.messages);
    this.#state = { messages: [...messages, { role: 'assistant', content: '' }], generating: true };
    this.#changed();
    const stop = new AbortController();
    const done = this.#write(messages, stop.signal).finally(() => {
      this.#answer = undefined;
      this.#state.generating = false;
      dropEmptyAnswer(this.#state.messages);
      this.#changed();
      return this.#save();
    });
    this.#answer = { stop, done };
  }

  async #write(messages: ChatMessage[], signal: AbortSignal): Promise<void> {
    const state = this.#state;
    const answer = state.messages[state.messages.length - 1];
    await this.#save();
    let saved = 0;
    const saver = setInterval(() => {
      if (answer.content.length === saved) return;
      saved = answer.content.length;
      void this.#save();
    }, this.#options.saveEveryMs);
    try {
      const { system, sampling, maxTokens } = await this.#options.settings();
      const turns = withoutUnanswered(messages);
      if (system.trim()) turns.unshift({ role: 'system', content: system });
      const request: GenerateRequest = {
        prompt: { kind: 'chat', messages: turns },
        // Without a seed of the person's own, trying again gives another answer.
        sampling: { seed: crypto.getRandomValues(new Uint32Array(1))[0], ...sampling },
        maxTokens,
      };
      for await (const event of this.#options.generate(request, signal)) {
        if (event.type === 'text' && event.text) {
          answer.content += event.text;
          this.#feed.publish({ type: 'delta', text: event.text });
        } else if (event.type === 'end') state.timings = event.timings;
        else if (event.type === 'error') state.error = event.error;
      }
    } catch (error) {
      state.error = LapisError.from(error).toPayload();
    } finally {
      clearInterval(saver);
      // What was stopped is no trouble, but a question without an answer says why it has none.
      if (signal.aborted) delete state.error;
      if (signal.aborted && answer.content === '') {
        state.error = new LapisError('aborted', 'The answer was stopped before its first word.').toPayload();
      }
    }
  }

  #snapshot(): ChatEvent {
    return { type: 'snapshot', chat: structuredClone(this.#state) };
  }

  #changed(): void {
    this.#feed.publish(this.#snapshot());
  }

  /** One write at a time; changes during it are written by one more. */
  #save(): Promise<void> {
    if (this.#saving) {
      this.#saveAgain = true;
      return this.#saving;
    }
    this.#saving = (async () => {
      do {
        this.#saveAgain = false;
        // A disk that refuses must not end the answer: the conversation then lives as long as this worker.
        await this.#options.keyValue.set(KEY, structuredClone(this.#state)).catch(() => {});
      } while (this.#saveAgain);
    })().finally(() => {
      this.#saving = undefined;
    });
    return this.#saving;
  }
}

function dropEmptyAnswer(messages: ChatMessage[]): void {
  const last = messages.at(-1);
  if (last?.role === 'assistant' && last.content === '') messages.pop();
}

/**
 * Gemma's turns alternate, but a question that failed or was stopped stays without an answer. Once another follows it is left out:
 * one that did not fit would keep every later one from fitting, and nobody expects an answer to one that they stopped.
 */
function withoutUnanswered(messages: readonly ChatMessage[]): ChatMessage[] {
  return messages.filter(({ role }, index) => role !== 'user' || messages[index + 1]?.role !== 'user');
}
