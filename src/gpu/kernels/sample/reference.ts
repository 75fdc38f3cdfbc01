import type { SamplingOptions } from '../../../protocol/generation.ts';
import { resolveSampling } from './options.ts';

/** What one row's choice depends on. */
export interface ReferenceRow {
  logits: Float32Array;
  sampling: SamplingOptions;
  /** The row's position. */
  position: number;
  /** Tokens at positions 0 … position. */
  history?: ArrayLike<number>;
  historyStart?: number;
  /** One bit an id, 1 = allowed. */
  mask?: Uint32Array;
}

const OUT = 0xffffffff;
const ONE = 2 ** 24;
const f32 = Math.fround;

/** The sampler on the CPU: the same integers, and sorting in place of histograms. */
export function sampleReference(row: ReferenceRow): number {
  const sampling = resolveSampling(row.sampling);
  const logits = adjustedLogits(row);
  let best = 0;
  for (let id = 1; id < logits.length; id++) {
    if (Number.isNaN(logits[best]) || logits[id] > logits[best]) best = id;
  }
  if (Number.isNaN(logits[best])) return 0;
  if (sampling.temperature === 0) return best;

  const sharpness = f32(Math.LOG2E / f32(sampling.temperature));
  const distances = Uint32Array.from(logits, (logit) => {
    const distance = f32(f32(logits[best] - logit) * sharpness);
    return distance < 64 ? Math.floor(distance * ONE) : OUT;
  });
  const limit = limitOf(distances, sampling.topK, f32(sampling.topP));
  const leastMass = Math.ceil(f32(sampling.minP) * 2 ** 31);
  let token = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let id = 0; id < distances.length; id++) {
    if (distances[id] > limit || massOf(distances[id]) < leastMass) continue;
    const score = distances[id] + log2Exponential(pcg3d(sampling.seed, row.position, id));
    if (score < least) {
      least = score;
      token = id;
    }
  }
  return token;
}

/** Log-softmax of the raw logits, in f64. */
export function logProbabilitiesReference(logits: Float32Array): Float64Array {
  const clamped = Float64Array.from(logits, clampLogit);
  const greatest = clamped.reduce((a, b) => Math.max(a, b));
  const sum = clamped.reduce((total, logit) => total + Math.exp(logit - greatest), 0);
  return clamped.map((logit) => logit - greatest - Math.log(sum));
}

function clampLogit(logit: number): number {
  return Math.min(Math.max(logit, f32(-1e30)), f32(1e30));
}

/** Logits after mask (NaN where forbidden) and penalties. */
function adjustedLogits({ logits, sampling, position, history, historyStart, mask }: ReferenceRow): Float32Array {
  const { repetitionPenalty, presencePenalty, frequencyPenalty, penaltyWindow } = resolveSampling(sampling);
  const adjusted = Float32Array.from(logits, clampLogit);
  if (history && (repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0)) {
    const first = Math.max(historyStart ?? 0, penaltyWindow === 0 ? 0 : position + 1 - penaltyWindow);
    const counts = new Map<number, number>();
    for (let p = first; p <= position; p++) counts.set(history[p], (counts.get(history[p]) ?? 0) + 1);
    for (const [id, count] of counts) {
      const factor = adjusted[id] > 0 ? f32(1 / f32(repetitionPenalty)) : f32(repetitionPenalty);
      const amount = f32(f32(presencePenalty) + f32(f32(frequencyPenalty) * count));
      adjusted[id] = clampLogit(f32(f32(adjusted[id] * factor) - amount));
    }
  }
  if (mask) {
    for (let id = 0; id < adjusted.length; id++) {
      if (((mask[id >>> 5] >>> (id & 31)) & 1) === 0) adjusted[id] = Number.NaN;
    }
  }
  return adjusted;
}

/** The greatest distance that top-k and then top-p leave in. */
function limitOf(distances: Uint32Array, topK: number, topP: number): number {
  let sorted = distances.filter((distance) => distance !== OUT).sort();
  let limit = OUT - 1;
  if (topK > 0 && topK < distances.length && topK <= sorted.length) {
    limit = sorted[topK - 1];
    sorted = sorted.filter((distance) => distance <= limit);
  }
  if (topP < 1) {
    let total = 0n;
    for (const distance of sorted) total += BigInt(massOf(distance));
    const product = total * BigInt(Math.floor(topP * 2 ** 32));
    const wanted = (product + 0xffffffffn) >> 32n || 1n;
    let sum = 0n;
    for (const distance of sorted) {
      sum += BigInt(massOf(distance));
      if (sum >= wanted) return distance;
    }
  }
  return limit;
}

function multiplyHigh(a: number, b: number): number {
  const low = Math.imul(a & 0xffff, b & 0xffff) >>> 0;
  const middle = (Math.imul(a >>> 16, b & 0xffff) >>> 0) + (low >>> 16);
  const other = (Math.imul(a & 0xffff, b >>> 16) >>> 0) + (middle & 0xffff);
  return ((Math.imul(a >>> 16, b >>> 16) >>> 0) + (middle >>> 16) + (other >>> 16)) >>> 0;
}

/** c₀ − f·(c₁ − f·(c₂ − …)) with f in units of 2⁻³². */
function alternating(f: number, coefficients: number[]): number {
  return coefficients.reduceRight((sum, coefficient) => coefficient - multiplyHigh(f, sum));
}

const EXP2 = [0xb17217df, 0x3d7f7506, 0xe353290, 0x274f388, 0x54a612, 0x78809];
const LOG2 = [0x7154666a, 0x474f9ffa, 0x335f96b0, 0x25ec5ed4, 0x187b19bd, 0xaf0f202, 0x253a757];
const MINUS_LOG2 = [0xffffed62, 0x714d463a, 0x46dd9cf2, 0x30b38482, 0x1e49e1be, 0xd48846a, 0x2cc2852];

/** 2^(31 − distance / 2²⁴), as in likelihood.wgsl. */
export function massOf(distance: number): number {
  const whole = distance >>> 24;
  if (whole > 31) return 0;
  const f = (distance << 8) >>> 0;
  return (0x80000000 - (multiplyHigh(f, alternating(f, EXP2)) >>> 1)) >>> whole;
}

/** log2(x) · 2²⁴, as in likelihood.wgsl. */
function log2Of(x: number): number {
  const zeros = Math.clz32(x);
  const f = ((x << zeros) << 1) >>> 0;
  const fraction = f + multiplyHigh(multiplyHigh(f, ~f >>> 0), alternating(f, LOG2));
  return (31 - zeros) * ONE + Math.floor(fraction / 256);
}

/** PCG3D of Jarzynski and Olano, Hash Functions for GPU Rendering, JCGT 9(3), 2020. */
function pcg3d(...input: [number, number, number]): [number, number, number] {
  let [x, y, z] = input.map((v) => (Math.imul(v, 1664525) + 1013904223) | 0) as [number, number, number];
  const mix = () => {
    x = (x + Math.imul(y, z)) | 0;
    y = (y + Math.imul(z, x)) | 0;
    z = (z + Math.imul(x, y)) | 0;
  };
  mix();
  x ^= x >>> 16;
  y ^= y >>> 16;
  z ^= z >>> 16;
  mix();
  return [x >>> 0, y >>> 0, z >>> 0];
}

/** log2 of an exponential variate −log2(U), in units of 2⁻²⁴, as in likelihood.wgsl. */
function log2Exponential([x, y, z]: [number, number, number]): number {
  const whole = Math.clz32(x);
  const zeros = Math.min(Math.clz32(y), 31);
  const fraction = ((y << zeros) | ((z >>> 1) >>> (31 - zeros)) | 1) >>> 0;
  const product = multiplyHigh(fraction, alternating(~y >>> 0, MINUS_LOG2));
  if (whole === 0) return log2Of(product) - (32 + zeros) * ONE;
  return log2Of(whole * 2 ** 26 + (product >>> (6 + Math.min(zeros, 25)))) - 26 * ONE;
}
