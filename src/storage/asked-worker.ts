import { LapisError } from '../protocol/errors.ts';

/** What a worker answers when it could not do what it was asked for. */
export interface Failed {
  failed: string;
}

interface Waiting<Reply> {
  resolve: (reply: Reply) => void;
  reject: (error: LapisError) => void;
}

/** A worker that answers each message with one, in order. One that fails, or that never starts, fails all that is asked of it from then on. */
export class AskedWorker<Request, Reply> {
  readonly #worker: Worker;
  readonly #waiting: Waiting<Reply>[] = [];
  #failure: LapisError | undefined;

  /** @param name what it is, for its errors: `The worker that …` */
  constructor(worker: Worker, name: string) {
    this.#worker = worker;
    const failed = (reason: string) => this.#fail(new LapisError('internal', `${name} has failed: ${reason}.`));
    worker.onmessage = ({ data }: MessageEvent<Reply | Failed>) => {
      if (isFailed(data)) failed(data.failed);
      else this.#waiting.shift()?.resolve(data);
    };
    worker.onerror = ({ message }) => failed(message || 'it did not start');
    worker.onmessageerror = () => failed('its answer could not be read');
  }

  /** How much is under way. */
  get asked(): number {
    return this.#waiting.length;
  }

  ask(request: Request, transfer: Transferable[]): Promise<Reply> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(request, transfer);
    });
  }

  /** Ends it; whoever waits gets `aborted`. */
  close(): void {
    this.#worker.terminate();
    this.#fail(new LapisError('aborted', 'The hashing was ended.'));
  }

  #fail(error: LapisError): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}

function isFailed(data: unknown): data is Failed {
  return typeof data === 'object' && data !== null && 'failed' in data;
}
