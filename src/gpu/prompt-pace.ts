/** How much of a prompt goes to the GPU at a time. */
export interface PromptCut {
  /** Rows of a chunk, which takes every step of the plan. */
  rows: number;
  /** Steps of the plan in one submit. */
  steps: number;
}

/** What a submit is to take: pages that share the GPU draw between submits, and 50 ms are three frames of 60 a second. */
const SUBMIT_MS = 30;
/** The costliest step, gate and up, takes up to this many times the mean. */
const HEAVIEST = 5;
/** Until the device is known: on an H100 6 ms in all, on a GPU of a hundredth of its speed 40 ms a submit. */
const FIRST: PromptCut = { rows: 32, steps: 8 };
/** Fewer rows read the weights as often as more would. */
const LEAST_ROWS = 8;
/** Some hundred microseconds of encoding: the GPU begins while the rest is being encoded. */
const MOST_STEPS = 48;

/**
 * Cuts prompts so that no submit takes longer than about 50 ms, by how long the chunks before took, on whatever device and beside whatever
 * else. A prompt row's bits do not depend on the cut.
 */
export class PromptPace {
  readonly #mostRows: number;
  readonly #planSteps: number;
  #msPerRow: number | undefined;

  /**
   * @param mostRows of a chunk, what the buffers hold
   * @param planSteps of a chunk's plan
   */
  constructor(mostRows: number, planSteps: number) {
    this.#mostRows = mostRows;
    this.#planSteps = planSteps;
  }

  next(): PromptCut {
    if (this.#msPerRow === undefined) return { rows: Math.min(FIRST.rows, this.#mostRows), steps: FIRST.steps };
    const msPerStep = (rows: number) => (this.#msPerRow! * rows) / this.#planSteps;
    const rows = clamp(SUBMIT_MS / (HEAVIEST * msPerStep(1)), Math.min(LEAST_ROWS, this.#mostRows), this.#mostRows);
    // Any run of steps may have a heavy one among them.
    return { rows, steps: clamp(SUBMIT_MS / msPerStep(rows) - (HEAVIEST - 1), 1, MOST_STEPS) };
  }

  /**
   * Says how long the GPU took for `rows` rows that were cut by `cut`. A rest of a prompt, which is slow for its few rows, teaches only what is not
   * known, or that the device has become slow.
   */
  took(cut: PromptCut, rows: number, ms: number): void {
    const known = this.#msPerRow;
    if (known === undefined) this.#msPerRow = ms / rows;
    // An end that was noticed late makes the next chunk look short: no sample takes more than three quarters off.
    else if (rows * 2 >= cut.rows) this.#msPerRow = Math.max(ms / rows, known / 4);
    else if (ms > known * cut.rows) this.#msPerRow = ms / rows;
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, Math.floor(value)));
}
