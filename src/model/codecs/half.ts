/*
 * f32 ↔ f16 and bf16, by bits, rounding to nearest, ties to even.
 */

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

function decodeF16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let table: Float32Array | undefined;

/** Every f16 as f32, indexed by its bits: 256 KiB, made at first use. */
export function f16Table(): Float32Array {
  table ??= Float32Array.from({ length: 65_536 }, (_, bits) => decodeF16(bits));
  return table;
}

/** The bits of the f16 nearest to `value` (as f32); beyond 65,519 that is infinity. */
export function f32ToF16(value: number): number {
  f32[0] = value;
  const bits = u32[0];
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fff_ffff;
  if (magnitude > 0x7f80_0000) return sign | 0x7e00;
  // 65,520 = halfway between the largest f16 and the next that there would be: it and all above round to infinity.
  if (magnitude >= 0x477f_f000) return sign | 0x7c00;
  if (magnitude < 0x3880_0000) {
    // Below 2^-14 an f16 counts steps of 2^-24. Adding 0.5 puts those steps at the end of an f32's fraction, so the
    // addition itself rounds to even.
    f32[0] = Math.abs(f32[0]) + 0.5;
    return sign | (u32[0] - 0x3f00_0000);
  }
  const even = (magnitude >>> 13) & 1;
  return sign | ((magnitude - 0x3800_0000 + 0xfff + even) >>> 13);
}

/** The bits of the bf16 nearest to `value` (as f32). */
export function f32ToBf16(value: number): number {
  f32[0] = value;
  const bits = u32[0];
  if ((bits & 0x7fff_ffff) > 0x7f80_0000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}
