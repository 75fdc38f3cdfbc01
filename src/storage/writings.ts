import { LapisError } from '../protocol/errors.ts';
import type { IngestOptions } from './ingest.ts';

/** What is being written, by a model's id: one thing at a time. */
export class Writings {
  readonly #running = new Map<string, { stop: AbortController; done: Promise<unknown>; bytesDone: number }>();

  /** How far the one that is under way has come. */
  bytesDone(id: string): number | undefined {
    return this.#running.get(id)?.bytesDone;
  }

  /** Does `work`, with a signal that `stop` aborts too. @throws LapisError `busy` beside another of that id, or what `work` throws */
  async run<O extends IngestOptions, T>(id: string, options: O, work: (options: O) => Promise<T>): Promise<T> {
    if (this.#running.has(id)) throw new LapisError('busy', 'This model is being written already: wait for that.');
    const stop = new AbortController();
    const forward = () => stop.abort(options.signal?.reason);
    options.signal?.addEventListener('abort', forward);
    if (options.signal?.aborted) forward();
    const running = { stop, done: Promise.resolve() as Promise<unknown>, bytesDone: 0 };
    const onProgress = (bytesDone: number, bytesTotal: number) => {
      running.bytesDone = bytesDone;
      options.onProgress?.(bytesDone, bytesTotal);
    };
    this.#running.set(id, running);
    const done = work({ ...options, signal: stop.signal, onProgress });
    running.done = done;
    try {
      return await done;
    } finally {
      options.signal?.removeEventListener('abort', forward);
      this.#running.delete(id);
    }
  }

  /** Ends the one that is under way; resolves when it has ended. */
  async stop(id: string): Promise<void> {
    const running = this.#running.get(id);
    running?.stop.abort();
    await running?.done.catch(() => {});
  }
}
