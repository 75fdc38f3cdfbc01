/**
 * Cuts a streamed text at the first stop string. Text that may still become one is held back. Of all occurrences the one that
 * is complete first counts, so that the cut does not depend on how the text was split; of two that end together, the longer.
 */
export class StopStrings {
  readonly #stops: readonly string[];
  readonly #longest: number;
  #held = '';

  /** `stops` are not empty. */
  constructor(stops: readonly string[]) {
    this.#stops = stops;
    this.#longest = Math.max(0, ...stops.map((stop) => stop.length));
  }

  /** The text that is certain with this piece added; `stopped` when a stop string was found right after it. */
  push(piece: string): { text: string; stopped: boolean } {
    const text = this.#held + piece;
    let start = -1;
    let end = Number.POSITIVE_INFINITY;
    for (const stop of this.#stops) {
      const at = text.indexOf(stop);
      if (at < 0) continue;
      const stopEnd = at + stop.length;
      if (stopEnd < end || (stopEnd === end && at < start)) {
        start = at;
        end = stopEnd;
      }
    }
    if (start >= 0) {
      this.#held = '';
      return { text: text.slice(0, start), stopped: true };
    }
    const certain = text.length - this.#possibleStart(text);
    this.#held = text.slice(certain);
    return { text: text.slice(0, certain), stopped: false };
  }

  /** The held back text, once nothing follows. */
  flush(): string {
    const text = this.#held;
    this.#held = '';
    return text;
  }

  /** Length of the longest end of `text` with which a stop string begins. */
  #possibleStart(text: string): number {
    for (let length = Math.min(text.length, this.#longest - 1); length > 0; length--) {
      const end = text.slice(text.length - length);
      if (this.#stops.some((stop) => stop.length > length && stop.startsWith(end))) return length;
    }
    return 0;
  }
}
