import { type Codec, putU16, u16At } from './codec.ts';
import { f16Table, f32ToF16 } from './half.ts';
import { clamp, roundEven } from './rounding.ts';

/*
 * Q4_K: super-blocks of 256 in 144 bytes, eight sub-blocks of 32, value = d * scale * q - dmin * min.
 *   0  f16 d, f16 dmin
 *   4  12 bytes: eight 6-bit scales and eight 6-bit mins. Sub-blocks 0–3: the low 6 bits of bytes 0–3 (scales) and 4–7 (mins).
 *      Sub-blocks 4–7: low nibble (scale) and high nibble (min) of bytes 8–11, their upper 2 bits on top of bytes 0–3 and 4–7
 *  16  128 bytes: of each 32, low nibbles are one sub-block, high nibbles the next
 */
const SIZE = 256;
const BYTES = 144;
const SUB_BLOCKS = 8;
const SUB_SIZE = 32;
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

const weights = new Float32Array(SUB_SIZE);
const trial = new Uint8Array(SUB_SIZE);

/**
 * Scale and min of one sub-block: of 22 grids, the one with the least weighted squared error after a least-squares fit
 * (ggml's make_qkx2_quants with nmax 15, rmin -1, rdelta 0.1, 20 steps). Writes the levels; the min comes back negated.
 */
function fitSubBlock(x: Float32Array, from: number, levels: Uint8Array, to: number): { scale: number; min: number } {
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
    clamp(roundEven(inverse * fround(x[from + i] - lowest)), 0, 15);
  const errorOf = (scale: number, offset: number, of: Uint8Array, at: number): number => {
    let error = 0;
    for (let i = 0; i < SUB_SIZE; i++) {
      const difference = fround(fround(fround(scale * of[at + i]) + offset) - x[from + i]);
      error = fround(error + fround(weights[i] * fround(difference * difference)));
    }
    return error;
  };

  const inverse = fround(15 / range);
  let scale = fround(1 / inverse);
  for (let i = 0; i < SUB_SIZE; i++) levels[to + i] = toLevel(inverse, i);
  let best = errorOf(scale, min, levels, to);
  // ggml keeps the grid's origin at the last accepted min, not at the lowest value.
  let origin = min;

  for (let step = 0; step <= 20; step++) {
    const stepInverse = fround(fround(fround(-1 + fround(fround(0.1) * step)) + 15) / fround(max - origin));
    let sumL = 0;
    let sumL2 = 0;
    let sumXL = 0;
    for (let i = 0; i < SUB_SIZE; i++) {
      const level = clamp(roundEven(stepInverse * fround(x[from + i] - origin)), 0, 15);
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

export const q4_k: Codec = {
  type: 'Q4_K',
  dequantize(blocks) {
    const table = f16Table();
    const values = new Float32Array((blocks.length / BYTES) * SIZE);
    for (let at = 0, out = 0; at < blocks.length; at += BYTES, out += SIZE) {
      const d = table[u16At(blocks, at)];
      const dmin = table[u16At(blocks, at + 2)];
      for (let j = 0; j < SUB_BLOCKS; j++) {
        const scale = d * scaleAt(blocks, at + 4, j);
        const min = dmin * minAt(blocks, at + 4, j);
        const from = at + 16 + (j >> 1) * SUB_SIZE;
        const shift = (j & 1) * 4;
        for (let i = 0; i < SUB_SIZE; i++) {
          values[out + j * SUB_SIZE + i] = scale * ((blocks[from + i] >> shift) & 15) - min;
        }
      }
    }
    return values;
  },
  quantize(values) {
    const table = f16Table();
    const blocks = new Uint8Array((values.length / SIZE) * BYTES);
    const levels = new Uint8Array(SIZE);
    const scales = new Float32Array(SUB_BLOCKS);
    const mins = new Float32Array(SUB_BLOCKS);
    for (let at = 0, from = 0; from < values.length; at += BYTES, from += SIZE) {
      for (let j = 0; j < SUB_BLOCKS; j++) {
        const fit = fitSubBlock(values, from + j * SUB_SIZE, levels, j * SUB_SIZE);
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

      const d = table[u16At(blocks, at)];
      const dmin = table[u16At(blocks, at + 2)];
      for (let j = 0; j < SUB_BLOCKS; j++) {
        const scale = d * scaleAt(blocks, at + 4, j);
        if (scale === 0) continue;
        const min = dmin * minAt(blocks, at + 4, j);
        for (let i = j * SUB_SIZE; i < (j + 1) * SUB_SIZE; i++) {
          levels[i] = clamp(roundEven(fround(values[from + i] + min) / scale), 0, 15);
        }
      }
      for (let j = 0; j < SUB_BLOCKS; j += 2) {
        const to = at + 16 + (j >> 1) * SUB_SIZE;
        for (let i = 0; i < SUB_SIZE; i++) {
          blocks[to + i] = levels[j * SUB_SIZE + i] | (levels[(j + 1) * SUB_SIZE + i] << 4);
        }
      }
    }
    return blocks;
  },
};
