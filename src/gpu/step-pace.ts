/** The most steps of one submit. */
export const MAX_STEPS_TOGETHER = 2;
/** Two tokens then come within half of a screen's frame, so that nobody sees them come together. */
const UNSEEN_MS = 4;
/** Submits that the pace is the mean of: several may come back at once to a thread that was busy, as if they had taken no time. */
const RECENT = 8;

/**
 * How many steps should share a submit and its read-back, which take the CPU a tenth of what a token does: two where the last ones took
 * so few milliseconds that a reader cannot tell.
 */
export class StepPace {
  readonly #recent: number[] = [];

  /** A submit of `steps` steps took so many milliseconds of the GPU. */
  took(steps: number, milliseconds: number): void {
    this.#recent.push(milliseconds / steps);
    if (this.#recent.length > RECENT) this.#recent.shift();
  }

  get together(): number {
    const sum = this.#recent.reduce((total, one) => total + one, 0);
    return this.#recent.length === RECENT && sum / RECENT < UNSEEN_MS ? MAX_STEPS_TOGETHER : 1;
  }
}
