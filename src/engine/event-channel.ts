/** Events from whoever pushes to one reader, buffered without bound. */
export class EventChannel<Event> implements AsyncIterable<Event> {
  readonly #events: Event[] = [];
  readonly #onLeave: () => void;
  #closed = false;
  #wake: (() => void) | undefined;

  /** `onLeave` is called when the reader leaves before the channel was closed. */
  constructor(onLeave: () => void) {
    this.#onLeave = onLeave;
  }

  push(event: Event): void {
    this.#events.push(event);
    this.#wake?.();
  }

  /** What was pushed before is still read. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  [Symbol.asyncIterator](): AsyncIterator<Event> {
    return {
      next: async () => {
        while (this.#events.length === 0) {
          if (this.#closed) return { done: true, value: undefined };
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
        return { done: false, value: this.#events.shift()! };
      },
      // Not a generator: its `return` would wait for a `next` that is under way.
      return: async () => {
        if (!this.#closed) this.#onLeave();
        return { done: true, value: undefined };
      },
    };
  }
}
