/** The most steps of one submit: more spare the CPU nothing that could be measured. */
export const MAX_STEPS_TOGETHER = 4;
/** Tokens of one submit come within half of a screen's frame, so that nobody sees them come together. */
const UNSEEN_MS = 8;
/** Submits that the pace is the mean of: several may come back at once to a thread that was busy, as if they had taken no time. */
const RECENT = 8;

/**
 * How many steps should share a submit and its read-back, which take the CPU a fifth of what a token does: as many as a reader cannot tell from one
 * after the other, by how long the last ones took.
 */
export class StepPace {
  readonly #recent: number[] = [];

  /** A submit of `steps` steps took so many milliseconds of the GPU. */
  took(steps: number, milliseconds: number): void {
    this.#recent.push(milliseconds / steps);
    if (this.#recent.length > RECENT) this.#recent.shift();
  }

  /** @param underWay steps that the GPU has from before: while as many are encoded it does not wait. */
  together(underWay: number): number {
    if (this.#recent.length < RECENT) return 1;
    const mean = this.#recent.reduce((total, one) => total + one, 0) / RECENT;
    return Math.max(1, Math.min(MAX_STEPS_TOGETHER, Math.floor(UNSEEN_MS / mean), underWay));
  }
}
