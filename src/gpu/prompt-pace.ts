import { type Gemma3Config, isGlobalLayer } from '../model/config.ts';

/** How much of a prompt goes to the GPU at a time. */
export interface PromptCut {
  /** Rows of a chunk, which takes every step of the plan. */
  rows: number;
  /** Steps of the plan in one submit. */
  steps: number;
}

/** What a submit is to take: pages that share the GPU draw between submits, and 50 ms are three frames of 60 a second. */
const SUBMIT_MS = 30;
/** The costliest step but the global layers' attention, gate and up, takes up to this many times the mean. */
const HEAVIEST = 5;
/** A FLOP of attention takes as long as this many of a matrix product: 3.3 on an H200, by how prefill grows from 1k to 32k (docs/curves.json). */
const ATTENTION_COST = 4;
/** Until the device is known: on an H100 6 ms in all, on a GPU of a hundredth of its speed 40 ms a submit. */
const FIRST: PromptCut = { rows: 32, steps: 8 };
/** Fewer rows read the weights as often as more would. */
const LEAST_ROWS = 8;
/** Some hundred microseconds of encoding: the GPU begins while the rest is being encoded. */
const MOST_STEPS = 48;

/**
 * Cuts prompts so that no submit takes longer than about 50 ms, by how long the chunks before took, on whatever device and beside whatever
 * else. A prompt row's bits do not depend on the cut.
 *
 * The steps of a chunk take about the same whatever stands before them, but for the attention of global layers, which grows with the position.
 */
export class PromptPace {
  readonly #mostRows: number;
  readonly #planSteps: number;
  readonly #globalLayers: number;
  /** Where the attention of all global layers takes as long as everything else. */
  readonly #evenPosition: number;
  /** Without the attention of global layers. */
  #msPerRow: number | undefined;

  /**
   * @param mostRows of a chunk, what the buffers hold
   * @param planSteps of a chunk's plan
   */
  constructor(mostRows: number, planSteps: number, config: Gemma3Config) {
    this.#mostRows = mostRows;
    this.#planSteps = planSteps;
    this.#globalLayers = Array.from({ length: config.layerCount }, (_, i) => isGlobalLayer(config, i)).filter(
      Boolean,
    ).length;
    const { layerCount, hiddenSize, feedForwardSize, headCount, kvHeadCount, headDim } = config;
    const layerWeights = hiddenSize * (2 * (headCount + kvHeadCount) * headDim + 3 * feedForwardSize);
    // q·k and p·v: two FLOPs each for every element of the query heads.
    const attention = this.#globalLayers * 4 * headCount * headDim * ATTENTION_COST;
    this.#evenPosition = attention > 0 ? (2 * layerCount * layerWeights) / attention : Number.POSITIVE_INFINITY;
  }

  /** The next cut of a prompt whose chunk begins at `position`. */
  next(position: number): PromptCut {
    if (this.#msPerRow === undefined) return { rows: Math.min(FIRST.rows, this.#mostRows), steps: FIRST.steps };
    // All of these are times of a row in units of what all steps but global attention take it.
    const step = 1 / this.#planSteps;
    const attention = position / this.#evenPosition;
    const attentionStep = attention / Math.max(1, this.#globalLayers);
    const least = Math.min(LEAST_ROWS, this.#mostRows);
    const rows = clamp(SUBMIT_MS / (this.#msPerRow * Math.max(HEAVIEST * step, attentionStep)), least, this.#mostRows);
    const room = SUBMIT_MS / (this.#msPerRow * rows);
    // Any run of steps may have a heavy one among them, and one more global layer than its share.
    const steps = (room - (HEAVIEST - 1) * step - attentionStep) / (step + attention * step);
    return { rows, steps: clamp(steps, 1, MOST_STEPS) };
  }

  /**
   * Says how long the GPU took for `rows` rows from `position` on that were cut by `cut`. A rest of a prompt, which is slow for its few rows,
   * teaches only what is not known, or that the device has become slow.
   */
  took(cut: PromptCut, rows: number, position: number, ms: number): void {
    const known = this.#msPerRow;
    const withoutAttention = ms / (1 + position / this.#evenPosition);
    const msPerRow = withoutAttention / rows;
    if (known === undefined) this.#msPerRow = msPerRow;
    // An end that was noticed late makes the next chunk look short: no sample takes more than three quarters off.
    else if (rows * 2 >= cut.rows) this.#msPerRow = Math.max(msPerRow, known / 4);
    else if (withoutAttention > known * cut.rows) this.#msPerRow = msPerRow;
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, Math.floor(value)));
}
