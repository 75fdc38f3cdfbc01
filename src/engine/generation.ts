import type { SampledToken } from '../gpu/contract.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import { LapisError } from '../protocol/errors.ts';
import type { FinishReason, GenerateEvent, TokenLogProbabilities } from '../protocol/generation.ts';
import type { GenerateOptions, TokenMask } from './contract.ts';
import { EventChannel } from './event-channel.ts';
import type { PreparedRequest } from './request.ts';
import { TextStream } from './text-stream.ts';

/** One answer in the making: takes sampled tokens, says events, ends exactly once. */
export class Generation {
  readonly request: PreparedRequest;
  readonly mask: TokenMask | undefined;
  readonly events: EventChannel<GenerateEvent>;
  /** Every token read before the end, a stop token included. */
  readonly tokens: number[] = [];
  /** Called once, right after the last event. */
  onDone: () => void = () => {};
  readonly #stopIds: ReadonlySet<number>;
  readonly #textStream: TextStream;
  readonly #ended = new AbortController();
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => this.finish('abort');
  readonly #loadMs: number;
  readonly #startedAt = performance.now();
  #prefillMs = 0;
  #firstTokenAt = 0;
  #lastTokenAt = 0;
  #text = '';
  #unsaidTokens: number[] = [];
  #unsaidLogProbabilities: TokenLogProbabilities[] = [];

  constructor(request: PreparedRequest, tokenizer: Tokenizer, loadMs: number, options: GenerateOptions) {
    this.request = request;
    this.mask = options.mask;
    this.#loadMs = loadMs;
    this.#stopIds = new Set(tokenizer.data.stop);
    this.#textStream = new TextStream(tokenizer, request.stop);
    this.events = new EventChannel(this.#onAbort);
    this.#signal = options.signal;
  }

  /** Says `start` and begins to heed the caller's signal. */
  begin(): void {
    this.events.push({ type: 'start', promptTokens: this.request.prompt });
    if (this.#signal?.aborted) this.finish('abort');
    else this.#signal?.addEventListener('abort', this.#onAbort);
  }

  get done(): boolean {
    return this.#ended.signal.aborted;
  }

  /** Aborted at the end, whatever its reason: work for this generation may stop. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  prefillProgress(done: number): void {
    const total = this.request.prompt.length;
    // A prompt of one chunk has no progress to tell.
    if (!this.done && done < total) this.events.push({ type: 'prefill', done, total });
  }

  /** The prompt's own work took this long, waiting for a place not counted. */
  prefilled(milliseconds: number): void {
    this.#prefillMs = milliseconds;
  }

  /** Takes the next token. Those after the end are the steps that were in flight: nobody wants them. */
  accept({ token, logProbabilities }: SampledToken): void {
    if (this.done) return;
    this.#lastTokenAt = performance.now();
    if (this.tokens.length === 0) this.#firstTokenAt = this.#lastTokenAt;
    this.tokens.push(token);
    this.#unsaidTokens.push(token);
    if (logProbabilities) this.#unsaidLogProbabilities.push(logProbabilities);
    if (this.#stopIds.has(token)) {
      this.finish('stop');
      return;
    }
    let piece: { text: string; stopped: boolean };
    try {
      piece = this.#textStream.push(token);
    } catch (error) {
      this.fail(LapisError.from(error));
      return;
    }
    if (piece.text !== '') this.#say(piece.text);
    if (piece.stopped) this.finish('stop');
    else if (this.tokens.length >= this.request.maxTokens) this.finish('length');
  }

  finish(finishReason: FinishReason): void {
    if (this.done) return;
    const held = this.#textStream.flush();
    if (held !== '' || this.#unsaidTokens.length > 0) this.#say(held);
    const decodeMs = this.#lastTokenAt - this.#firstTokenAt;
    this.#end({
      type: 'end',
      finishReason,
      tokens: [...this.tokens],
      text: this.#text,
      timings: {
        loadMs: this.#loadMs,
        prefillMs: this.#prefillMs,
        firstTokenMs: this.tokens.length > 0 ? this.#firstTokenAt - this.#startedAt : 0,
        decodeTokensPerSecond: decodeMs > 0 ? ((this.tokens.length - 1) / decodeMs) * 1000 : 0,
      },
    });
  }

  fail(error: LapisError): void {
    if (!this.done) this.#end({ type: 'error', error: error.toPayload() });
  }

  #say(text: string): void {
    this.#text += text;
    this.events.push({
      type: 'text',
      text,
      tokens: this.#unsaidTokens,
      ...(this.#unsaidLogProbabilities.length > 0 && { logProbabilities: this.#unsaidLogProbabilities }),
    });
    this.#unsaidTokens = [];
    this.#unsaidLogProbabilities = [];
  }

  #end(event: GenerateEvent): void {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.events.push(event);
    this.events.close();
    this.#ended.abort();
    this.onDone();
  }
}
