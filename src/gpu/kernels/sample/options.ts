import { LapisError } from '../../../protocol/errors.ts';
import type { SamplingOptions } from '../../../protocol/generation.ts';
import type { SampledToken } from '../../contract.ts';
import { MAX_STEPS_TOGETHER } from '../../step-pace.ts';

/** The most log-probabilities a token can be asked for. */
export const BEST_COUNT = 20;

/** u32 words of one row's result: slot, token, log-probability (f32), count, then BEST_COUNT ids and BEST_COUNT log-probabilities (f32). */
export const RESULT_WORDS = 4 + 2 * BEST_COUNT;

/** Of how many steps a row's results are kept: of as many as share a submit. */
export const RESULT_STEPS = MAX_STEPS_TOGETHER;

/** Where the sampler's words stand in `Slot` (rows.wgsl), bytes: token and position before them are the GPU's own. */
export const SLOT_SAMPLER_OFFSET = 8;

/** What the kernels are told that SamplingOptions do not say. */
export interface SlotSamplerState {
  /** Whether the slot's mask of allowed tokens counts. */
  useMask?: boolean;
  /** The first position whose token counts for penalties. */
  historyStart?: number;
}

/** What a batch's rows need between them; it decides which kernels run. */
export interface SamplerMode {
  /** Rows sampled, from the batch's `head_row` on. */
  rows: number;
  /** A temperature above 0. */
  stochastic: boolean;
  penalties: boolean;
  mask: boolean;
  logProbabilities: boolean;
}

const GREEDY: Required<SamplingOptions> = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  penaltyWindow: 0,
  seed: 0,
  logProbabilities: 0,
};

/** Bounds of each option, both allowed. A penalty further out would leave f32's useful range. */
const BOUNDS: Record<keyof SamplingOptions, { least: number; most: number; whole?: true }> = {
  temperature: { least: 0, most: 100 },
  topK: { least: 0, most: 0xffffffff, whole: true },
  topP: { least: 0, most: 1 },
  minP: { least: 0, most: 1 },
  repetitionPenalty: { least: 0.01, most: 100 },
  presencePenalty: { least: -100, most: 100 },
  frequencyPenalty: { least: -100, most: 100 },
  penaltyWindow: { least: 0, most: 0xffffffff, whole: true },
  seed: { least: 0, most: 0xffffffff, whole: true },
  logProbabilities: { least: 0, most: BEST_COUNT, whole: true },
};

/** Below this a temperature is taken as this: a difference of 0.01 in the logits then already decides. */
const LEAST_TEMPERATURE = 1e-4;

/**
 * Sampling options with every default filled in (greedy), and temperatures between 0 and LEAST_TEMPERATURE raised to that.
 * Throws `bad-request` that names the option and its bounds.
 */
export function resolveSampling(sampling: SamplingOptions): Required<SamplingOptions> {
  const resolved = { ...GREEDY };
  for (const name of Object.keys(BOUNDS) as (keyof SamplingOptions)[]) {
    const value = sampling[name];
    if (value === undefined) continue;
    const { least, most, whole } = BOUNDS[name];
    if (typeof value !== 'number' || !(value >= least && value <= most) || (whole && !Number.isInteger(value))) {
      const kind = whole ? 'a whole number' : 'a number';
      throw new LapisError('bad-request', `${name} must be ${kind} from ${least} to ${most}, not ${String(value)}.`);
    }
    resolved[name] = value;
  }
  if (resolved.temperature > 0) resolved.temperature = Math.max(resolved.temperature, LEAST_TEMPERATURE);
  return resolved;
}

/**
 * The 14 words of a `Slot` (rows.wgsl) from `seed` on, to be written at SLOT_SAMPLER_OFFSET. Reciprocals are taken here, since
 * WGSL's division may round either way. Throws `bad-request` that names the option and its bounds.
 */
export function packSlotSampler(sampling: SamplingOptions, state: SlotSamplerState = {}): Uint32Array<ArrayBuffer> {
  const options = resolveSampling(sampling);
  const words = new Uint32Array(14);
  const floats = new Float32Array(words.buffer);
  words[0] = options.seed;
  words[1] = options.topK;
  floats[2] = options.temperature;
  floats[3] = options.topP;
  floats[4] = options.minP;
  floats[5] = options.repetitionPenalty;
  floats[6] = options.presencePenalty;
  floats[7] = options.frequencyPenalty;
  words[8] = options.penaltyWindow;
  words[9] = options.logProbabilities;
  words[10] = state.useMask ? 1 : 0;
  words[11] = state.historyStart ?? 0;
  floats[12] = 1 / floats[5];
  floats[13] = floats[2] > 0 ? Math.LOG2E / floats[2] : 0;
  return words;
}

/** What a batch needs whose rows have these samplers. Throws as `packSlotSampler` does. */
export function samplerMode(rows: readonly { sampling: SamplingOptions; useMask?: boolean }[]): SamplerMode {
  const mode = { rows: rows.length, stochastic: false, penalties: false, mask: false, logProbabilities: false };
  for (const { sampling, useMask } of rows) {
    const { temperature, repetitionPenalty, presencePenalty, frequencyPenalty, logProbabilities } =
      resolveSampling(sampling);
    mode.stochastic ||= temperature > 0;
    mode.penalties ||= repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0;
    mode.mask ||= useMask === true;
    mode.logProbabilities ||= logProbabilities > 0;
  }
  return mode;
}

/** What was sampled of a row at a position, from the results buffer, read back: [rows][RESULT_STEPS][RESULT_WORDS]. */
export function parseResult(words: Uint32Array, row: number, position: number): SampledToken {
  const at = (row * RESULT_STEPS + (position % RESULT_STEPS)) * RESULT_WORDS;
  const floats = new Float32Array(words.buffer, words.byteOffset, words.length);
  const token = words[at + 1];
  const sampled: SampledToken = { slot: words[at], token };
  const count = words[at + 3];
  if (count > 0) {
    sampled.logProbabilities = {
      token,
      logProbability: floats[at + 2],
      top: Array.from({ length: count }, (_, n) => ({
        token: words[at + 4 + n],
        logProbability: floats[at + 4 + BEST_COUNT + n],
      })),
    };
  }
  return sampled;
}
