import type { BenchmarkEvent } from '../protocol/benchmark.ts';
import { LapisError } from '../protocol/errors.ts';
import type { RunningModel } from './running-model.ts';

export interface BenchmarkOptions {
  /** The selected model, loaded if need be. */
  ready: () => Promise<RunningModel>;
  /** Whether an answer is being generated. */
  generating: () => boolean;
  /** Called after each measurement. */
  onEnd?: () => void;
  /** How often progress is told at most. */
  tellEveryMs?: number;
}

const TELL_EVERY_MS = 100;

/** Measures the selected model, one measurement at a time. An answer that is asked for meanwhile comes first and ends it. */
export class Benchmark {
  readonly #options: Required<BenchmarkOptions>;
  #running: { stop: AbortController; done: Promise<void> } | undefined;

  constructor(options: BenchmarkOptions) {
    this.#options = { tellEveryMs: TELL_EVERY_MS, onEnd: () => {}, ...options };
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  /**
   * Progress, then one result or error. Cancelling the stream ends the measurement.
   *
   * @throws LapisError `busy` while an answer is being generated or another measurement runs
   */
  run(): ReadableStream<BenchmarkEvent> {
    if (this.#options.generating()) {
      throw new LapisError('busy', 'An answer is being written, and measuring would slow it down: wait, or stop it.');
    }
    // One that was cancelled may take a moment to end.
    const before = this.#running;
    if (before && !before.stop.signal.aborted) throw new LapisError('busy', 'A measurement is under way already.');
    const stop = new AbortController();
    let cancelled = false;
    return new ReadableStream({
      start: (controller) => {
        const tell = (event: BenchmarkEvent) => {
          // A stream that was cancelled takes nothing more.
          if (cancelled) return;
          controller.enqueue(event);
          if (event.type !== 'progress') controller.close();
        };
        const running = {
          stop,
          done: (before?.done ?? Promise.resolve())
            .then(() => this.#measure(stop.signal, tell))
            .then(() => {
              if (this.#running === running) this.#running = undefined;
              this.#options.onEnd();
            }),
        };
        this.#running = running;
      },
      cancel() {
        cancelled = true;
        stop.abort(new LapisError('aborted', 'The measurement was cancelled.'));
      },
    });
  }

  /** Ends the measurement; `reason`, a sentence, is what its reader gets. */
  async giveWay(reason: string): Promise<void> {
    this.#running?.stop.abort(new LapisError('aborted', reason));
    await this.#running?.done;
  }

  async #measure(signal: AbortSignal, tell: (event: BenchmarkEvent) => void): Promise<void> {
    let toldAt = Number.NEGATIVE_INFINITY;
    const onProgress = (done: number, total: number) => {
      const now = performance.now();
      if (now - toldAt < this.#options.tellEveryMs) return;
      toldAt = now;
      tell({ type: 'progress', done, total });
    };
    try {
      // A load may wait for this to end: a load goes on, but nobody waits for it.
      const model = await Promise.race([this.#options.ready(), abortOf(signal)]);
      tell({ type: 'result', result: await model.benchmark({ signal, onProgress }) });
    } catch (error) {
      tell({ type: 'error', error: LapisError.from(error).toPayload() });
    }
  }
}

/** Rejects with the signal's reason once it is aborted. */
function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
