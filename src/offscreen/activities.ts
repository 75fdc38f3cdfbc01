import { LapisError } from '../protocol/errors.ts';
import type { ModelActivity } from '../protocol/host.ts';
import { isInTheWay } from '../protocol/host.ts';
import type { StatusBoard } from './status-board.ts';

export type Activity = Exclude<ModelActivity, { kind: 'none' }>;

export type OnProgress = (bytesDone: number, bytesTotal: number) => void;

export type Work<T> = (signal: AbortSignal, onProgress: OnProgress) => Promise<T>;

/** Progress reaches pages at most this often. */
const PROGRESS_EVERY_MS = 100;

interface Running {
  shown: Activity;
  stop: AbortController;
  done: Promise<unknown>;
}

/** The long operations on stored models, each with its progress in the status, its end and its error. */
export class Activities {
  readonly #status: StatusBoard;
  readonly #onEnd: () => void;
  /** The latest last: that is the one in the status. */
  #running: Running[] = [];

  /** @param onEnd called after each: what is stored, or the notices about it, may have changed */
  constructor(status: StatusBoard, onEnd: () => void) {
    this.#status = status;
    this.#onEnd = onEnd;
  }

  get busy(): boolean {
    return this.#running.length > 0;
  }

  /** Does one long thing that the person asked for. @throws LapisError `busy` while another is under way, or what `work` throws */
  async alone<T>(begin: Activity, work: Work<T>): Promise<T> {
    this.requireIdle();
    return this.beside(begin, work);
  }

  /** Does something that a prompt needs, whatever else is under way. Its failure is in the status as well. */
  async beside<T>(begin: Activity, work: Work<T>): Promise<T> {
    this.#status.update({ error: undefined });
    try {
      return await this.quietly(begin, work);
    } catch (cause) {
      const error = LapisError.from(cause);
      // What the person cancelled is no trouble to report.
      if (error.code !== 'aborted') this.#status.update({ error: error.toPayload() });
      throw error;
    }
  }

  /** Does something that nobody asked for: its failure is nobody's trouble, and that of something else stays in the status. */
  async quietly<T>(begin: Activity, work: Work<T>): Promise<T> {
    const stop = new AbortController();
    const running: Running = { shown: begin, stop, done: Promise.resolve() };
    this.#running.push(running);
    this.#status.update({ activity: begin });
    const done = work(stop.signal, this.#progress(running));
    running.done = done;
    try {
      return await done;
    } finally {
      this.#running = this.#running.filter((other) => other !== running);
      this.#status.update({ activity: this.#running.at(-1)?.shown ?? { kind: 'none' } });
      this.#onEnd();
    }
  }

  /** Ends what the status shows. */
  async cancel(): Promise<void> {
    const running = this.#running.at(-1);
    if (!running) return;
    running.shown = { ...running.shown, cancelling: true };
    this.#status.update({ activity: running.shown });
    running.stop.abort(new LapisError('aborted', 'The operation was cancelled.'));
    await running.done.catch(() => {});
  }

  /** @throws LapisError `busy` while something is under way that gives way to nothing */
  requireIdle(): void {
    const running = this.#running.findLast(({ shown }) => isInTheWay(shown));
    if (!running) return;
    throw new LapisError('busy', `Lapis is ${running.shown.kind} a model: wait for it or cancel it first.`);
  }

  #progress(running: Running): OnProgress {
    let shownAt = 0;
    return (bytesDone, bytesTotal) => {
      running.shown = { ...running.shown, bytesDone, bytesTotal };
      const time = performance.now();
      // What comes after the last byte is something else to wait for.
      const soon = time - shownAt < PROGRESS_EVERY_MS && bytesDone < bytesTotal;
      if (soon || this.#running.at(-1) !== running) return;
      shownAt = time;
      this.#status.update({ activity: running.shown });
    };
  }
}
