/*
 * Ranges and roundings that the quantizers share. ggml computes in f32, so each operation is rounded with Math.fround where it counts.
 */

/** Blocks whose values are all smaller than this are zero (ggml's GROUP_MAX_EPS). */
export const TINY = Math.fround(1e-15);

/** The value furthest from 0 among `count` from `from`, with its sign; the first of equals. */
export function extreme(values: Float32Array, from: number, count: number): number {
  let best = 0;
  let magnitude = 0;
  for (let i = from; i < from + count; i++) {
    const size = Math.abs(values[i]);
    if (size > magnitude) {
      magnitude = size;
      best = values[i];
    }
  }
  return best;
}

/** The least and the greatest of `count` values from `from`. */
export function extent(values: Float32Array, from: number, count: number): { min: number; max: number } {
  let min = values[from];
  let max = min;
  for (let i = from + 1; i < from + count; i++) {
    if (values[i] < min) min = values[i];
    if (values[i] > max) max = values[i];
  }
  return { min, max };
}

/** C's roundf: to the nearest integer, halves away from 0. */
export function roundAway(value: number): number {
  return value < 0 ? -Math.floor(0.5 - value) : Math.floor(value + 0.5);
}

/** To the nearest integer, halves to even: 1.5 * 2^23 pushes an f32's fraction out. |value| below 2^22. */
export function roundEven(value: number): number {
  return Math.fround(Math.fround(value) + 12_582_912) - 12_582_912;
}

export function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, value));
}
