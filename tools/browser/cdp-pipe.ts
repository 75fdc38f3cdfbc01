import type { Readable, Writable } from 'node:stream';
import { LapisError } from '../../src/protocol/errors.ts';

interface Answer {
  id?: number;
  result?: unknown;
  error?: { message: string };
  method?: string;
  params?: Record<string, unknown>;
  sessionId?: string;
}

interface Pending {
  resolve(result: never): void;
  reject(error: LapisError): void;
}

/**
 * The DevTools protocol over a browser's `--remote-debugging-pipe`: JSON messages that end with a zero byte. Unlike a port it
 * can be reached by nobody else, and `Extensions.loadUnpacked` works over it alone.
 */
export class CdpPipe {
  readonly #toBrowser: Writable;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<(method: string, params: Record<string, unknown>, sessionId?: string) => void>();
  /** Parts of a message whose end has not come yet. */
  #parts: Buffer[] = [];
  #nextId = 1;
  #closed = false;

  constructor(toBrowser: Writable, fromBrowser: Readable) {
    this.#toBrowser = toBrowser;
    // Writing to a browser that has just died is no event of its own: `close` tells.
    toBrowser.on('error', () => this.close());
    fromBrowser.on('data', (data: Buffer) => this.#receive(data));
    fromBrowser.on('error', () => this.close());
    fromBrowser.on('close', () => this.close());
  }

  /** Calls a method; rejects with the browser's words, or `peer-lost` when the browser has ended. */
  send<Result = unknown>(method: string, params: object = {}, sessionId?: string): Promise<Result> {
    if (this.#closed) return Promise.reject(browserEnded());
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#toBrowser.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  /** Hears every event until `signal` aborts. */
  onEvent(
    listener: (method: string, params: Record<string, unknown>, sessionId?: string) => void,
    signal?: AbortSignal,
  ): void {
    this.#listeners.add(listener);
    signal?.addEventListener('abort', () => this.#listeners.delete(listener));
  }

  /** Rejects what is pending. */
  close(): void {
    this.#closed = true;
    for (const { reject } of this.#pending.values()) reject(browserEnded());
    this.#pending.clear();
  }

  #receive(data: Buffer): void {
    let from = 0;
    for (let end = data.indexOf(0); end >= 0; end = data.indexOf(0, from)) {
      const message = Buffer.concat([...this.#parts, data.subarray(from, end)]);
      this.#parts = [];
      from = end + 1;
      this.#dispatch(JSON.parse(message.toString('utf8')));
    }
    if (from < data.length) this.#parts.push(data.subarray(from));
  }

  #dispatch({ id, result, error, method, params = {}, sessionId }: Answer): void {
    if (id === undefined) {
      if (method) for (const listener of this.#listeners) listener(method, params, sessionId);
      return;
    }
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (error) pending?.reject(new LapisError('internal', `The browser refused: ${error.message}`));
    else pending?.resolve(result as never);
  }
}

function browserEnded(): LapisError {
  return new LapisError('peer-lost', 'The browser has ended.');
}
