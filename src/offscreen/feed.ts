/**
 * A value that changes, for readers that come and go. A reader that is slow, or not reading at all, holds one pending item: later
 * ones are merged into it.
 */
export class Feed<T> {
  readonly #merge: (pending: T, next: T) => T;
  readonly #readers = new Set<(value: T) => void>();

  constructor(merge: (pending: T, next: T) => T) {
    this.#merge = merge;
  }

  publish(value: T): void {
    for (const give of this.#readers) give(value);
  }

  /** A stream of `first` and everything published from then on. */
  watch(first: T): ReadableStream<T> {
    let pending: { value: T } | undefined = { value: first };
    let wake: (() => void) | undefined;
    const give = (value: T) => {
      pending = { value: pending ? this.#merge(pending.value, value) : value };
      wake?.();
    };
    this.#readers.add(give);
    return new ReadableStream<T>(
      {
        pull: async (controller) => {
          if (!pending) {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
          if (!pending) return;
          const { value } = pending;
          pending = undefined;
          controller.enqueue(value);
        },
        cancel: () => {
          this.#readers.delete(give);
          wake?.();
        },
      },
      { highWaterMark: 0 },
    );
  }
}
