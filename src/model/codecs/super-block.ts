import { putU16, u16At } from './codec.ts';
import { f16Table, f32ToF16 } from './half.ts';
import { clamp, roundEven } from './rounding.ts';

/*
 * What Q4_K and Q5_K share: super-blocks of 256 in eight sub-blocks of 32, value = d * scale * q - dmin * min, and their first 16 bytes.
 *   0  f16 d, f16 dmin
 *   4  12 bytes: eight 6-bit scales and eight 6-bit mins. Sub-blocks 0–3: the low 6 bits of bytes 0–3 (scales) and 4–7 (mins).
 *      Sub-blocks 4–7: low nibble (scale) and high nibble (min) of bytes 8–11, their upper 2 bits on top of bytes 0–3 and 4–7
 */
export const SUPER_SIZE = 256;
export const SUB_SIZE = 32;
export const SUB_BLOCKS = 8;
/** Where the levels begin. */
export const HEAD_BYTES = 16;
const { fround } = Math;

function scaleAt(blocks: Uint8Array, at: number, j: number): number {
  return j < 4 ? blocks[at + j] & 63 : (blocks[at + j + 4] & 15) | ((blocks[at + j - 4] >> 6) << 4);
}

function minAt(blocks: Uint8Array, at: number, j: number): number {
  return j < 4 ? blocks[at + j + 4] & 63 : (blocks[at + j + 4] >> 4) | ((blocks[at + j] >> 6) << 4);
}

function putScaleAndMin(blocks: Uint8Array, at: number, j: number, scale: number, min: number): void {
  if (j < 4) {
    blocks[at + j] = scale;
    blocks[at + j + 4] = min;
  } else {
    blocks[at + j + 4] = (scale & 15) | ((min & 15) << 4);
    blocks[at + j - 4] |= (scale >> 4) << 6;
    blocks[at + j] |= (min >> 4) << 6;
  }
}

/** d * scale and dmin * min of each sub-block of the super-block at `at`; both exact in f32. */
export function readHead(blocks: Uint8Array, at: number, scales: Float32Array, mins: Float32Array): void {
  const table = f16Table();
  const d = table[u16At(blocks, at)];
  const dmin = table[u16At(blocks, at + 2)];
  for (let j = 0; j < SUB_BLOCKS; j++) {
    scales[j] = d * scaleAt(blocks, at + 4, j);
    mins[j] = dmin * minAt(blocks, at + 4, j);
  }
}

/** The grids that a type tries for a sub-block: scales of (maxLevel + firstStep + 0.1 * i) / range for 0 ≤ i ≤ steps. */
export interface SubBlockGrids {
  maxLevel: number;
  firstStep: number;
  steps: number;
}

const weights = new Float32Array(SUB_SIZE);
const trial = new Uint8Array(SUB_SIZE);

/**
 * Scale and min of one sub-block: of the plain grid and those tried, the one with the least weighted squared error after a
 * least-squares fit (ggml's make_qkx2_quants). Writes the levels; the min comes back negated.
 */
function fitSubBlock(
  x: Float32Array,
  from: number,
  levels: Uint8Array,
  to: number,
  { maxLevel, firstStep, steps }: SubBlockGrids,
): { scale: number; min: number } {
  let squares = 0;
  for (let i = 0; i < SUB_SIZE; i++) squares = fround(squares + fround(x[from + i] * x[from + i]));
  const average = fround(Math.sqrt(fround(squares / SUB_SIZE)));
  for (let i = 0; i < SUB_SIZE; i++) weights[i] = average + Math.abs(x[from + i]);

  let min = x[from];
  let max = x[from];
  let sumW = weights[0];
  let sumX = fround(sumW * x[from]);
  for (let i = 1; i < SUB_SIZE; i++) {
    const value = x[from + i];
    if (value < min) min = value;
    if (value > max) max = value;
    sumW = fround(sumW + weights[i]);
    sumX = fround(sumX + fround(weights[i] * value));
  }
  if (min > 0) min = 0;
  if (max === min) {
    levels.fill(0, to, to + SUB_SIZE);
    return { scale: 0, min: -min };
  }

  const range = fround(max - min);
  const lowest = min;
  const toLevel = (inverse: number, i: number): number =>
    clamp(roundEven(inverse * fround(x[from + i] - lowest)), 0, maxLevel);
  const errorOf = (scale: number, offset: number, of: Uint8Array, at: number): number => {
    let error = 0;
    for (let i = 0; i < SUB_SIZE; i++) {
      const difference = fround(fround(fround(scale * of[at + i]) + offset) - x[from + i]);
      error = fround(error + fround(weights[i] * fround(difference * difference)));
    }
    return error;
  };

  const inverse = fround(maxLevel / range);
  let scale = fround(1 / inverse);
  for (let i = 0; i < SUB_SIZE; i++) levels[to + i] = toLevel(inverse, i);
  let best = errorOf(scale, min, levels, to);
  // ggml keeps the grid's origin at the last accepted min, not at the lowest value.
  let origin = min;

  for (let step = 0; step <= steps; step++) {
    const stepInverse = fround(
      fround(fround(firstStep + fround(fround(0.1) * step)) + maxLevel) / fround(max - origin),
    );
    let sumL = 0;
    let sumL2 = 0;
    let sumXL = 0;
    for (let i = 0; i < SUB_SIZE; i++) {
      const level = clamp(roundEven(stepInverse * fround(x[from + i] - origin)), 0, maxLevel);
      trial[i] = level;
      const weighted = fround(weights[i] * level);
      sumL = fround(sumL + weighted);
      sumL2 = fround(sumL2 + fround(weighted * level));
      sumXL = fround(sumXL + fround(weighted * x[from + i]));
    }
    const determinant = fround(fround(sumW * sumL2) - fround(sumL * sumL));
    if (determinant <= 0) continue;
    let fitScale = fround(fround(fround(sumW * sumXL) - fround(sumX * sumL)) / determinant);
    let fitMin = fround(fround(fround(sumL2 * sumX) - fround(sumL * sumXL)) / determinant);
    if (fitMin > 0) {
      fitMin = 0;
      fitScale = fround(sumXL / sumL2);
    }
    const error = errorOf(fitScale, fitMin, trial, 0);
    if (error < best) {
      levels.set(trial, to);
      best = error;
      scale = fitScale;
      origin = fitMin;
    }
  }
  return { scale, min: -origin };
}

const scales = new Float32Array(SUB_BLOCKS);
const mins = new Float32Array(SUB_BLOCKS);

/** Quantizes 256 values from `from`: writes the head at `at`, and the levels that remain to be packed. */
export function quantizeSuperBlock(
  values: Float32Array,
  from: number,
  blocks: Uint8Array,
  at: number,
  levels: Uint8Array,
  grids: SubBlockGrids,
): void {
  for (let j = 0; j < SUB_BLOCKS; j++) {
    const fit = fitSubBlock(values, from + j * SUB_SIZE, levels, j * SUB_SIZE, grids);
    scales[j] = fit.scale;
    mins[j] = fit.min;
  }
  const maxScale = Math.max(0, ...scales);
  const maxMin = Math.max(0, ...mins);
  const inverseScale = maxScale > 0 ? fround(63 / maxScale) : 0;
  const inverseMin = maxMin > 0 ? fround(63 / maxMin) : 0;
  for (let j = 0; j < SUB_BLOCKS; j++) {
    // & 255 as ggml's uint8_t: a negative scale wraps and is then cut to 63.
    const scale = Math.min(63, roundEven(inverseScale * scales[j]) & 255);
    const min = Math.min(63, roundEven(inverseMin * mins[j]) & 255);
    putScaleAndMin(blocks, at + 4, j, scale, min);
  }
  putU16(blocks, at, f32ToF16(maxScale / 63));
  putU16(blocks, at + 2, f32ToF16(maxMin / 63));

  readHead(blocks, at, scales, mins);
  for (let j = 0; j < SUB_BLOCKS; j++) {
    if (scales[j] === 0) continue;
    for (let i = j * SUB_SIZE; i < (j + 1) * SUB_SIZE; i++) {
      levels[i] = clamp(roundEven(fround(values[from + i] + mins[j]) / scales[j]), 0, grids.maxLevel);
    }
  }
}
