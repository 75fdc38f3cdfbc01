// Likelihoods and chance in integers: exp and log differ in their last bits from GPU to GPU, these do not.

// A token's distance is how many times less likely it is than the likeliest, as log2 in units of 2⁻²⁴. From 2⁶⁴ times on it is
// never chosen by chance.
const DISTANCE_ONE = 24u;
const DISTANCE_END = 64.0;
const OUT = 0xffffffffu;

// Distances have 30 bits. Their upper 8 are their bin.
const BINS = 256u;
const BIN_SHIFT = 22u;

// The upper 32 bits of a · b.
fn multiply_high(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let other = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (middle >> 16u) + (other >> 16u);
}

// 2^(31 − distance / 2²⁴): a share of the likeliest token's mass, which is 2³¹. Chebyshev fit of (1 − 2⁻ᶠ) / f, error 6e-9.
fn mass_of(distance: u32) -> u32 {
  let whole = distance >> DISTANCE_ONE;
  if (whole > 31u) {
    return 0u;
  }
  let f = distance << 8u;
  var sum = 0x54a612u - multiply_high(f, 0x78809u);
  sum = 0x274f388u - multiply_high(f, sum);
  sum = 0xe353290u - multiply_high(f, sum);
  sum = 0x3d7f7506u - multiply_high(f, sum);
  sum = 0xb17217dfu - multiply_high(f, sum);
  return (0x80000000u - (multiply_high(f, sum) >> 1u)) >> whole;
}

// log2(x) in units of 2⁻²⁴, x > 0: for x = 2ᵉ(1 + f) it is e + f + f(1 − f)·P(f). P is a Chebyshev fit; error 3e-7.
fn log2_of(x: u32) -> i32 {
  let zeros = countLeadingZeros(x);
  let f = (x << zeros) << 1u;
  var sum = 0xaf0f202u - multiply_high(f, 0x253a757u);
  sum = 0x187b19bdu - multiply_high(f, sum);
  sum = 0x25ec5ed4u - multiply_high(f, sum);
  sum = 0x335f96b0u - multiply_high(f, sum);
  sum = 0x474f9ffau - multiply_high(f, sum);
  sum = 0x7154666au - multiply_high(f, sum);
  let fraction = f + multiply_high(multiply_high(f, ~f), sum);
  return i32((31u - zeros) << DISTANCE_ONE) + i32(fraction >> 8u);
}

// PCG3D of M. Jarzynski and M. Olano, Hash Functions for GPU Rendering, JCGT 9(3), 2020.
fn pcg3d(v: vec3<u32>) -> vec3<u32> {
  var h = v * 1664525u + 1013904223u;
  h.x += h.y * h.z;
  h.y += h.z * h.x;
  h.z += h.x * h.y;
  h ^= h >> vec3(16u);
  h.x += h.y * h.z;
  h.y += h.z * h.x;
  h.z += h.x * h.y;
  return h;
}

// log2 of an exponential variate −log2(U), in units of 2⁻²⁴. The variate is a geometric one (leading zeros of 32 bits) plus
// −log2(1 − y/2) of other 32 bits y in [0, 1), which is y/2 · G(y), G a Chebyshev fit in 1 − y, error 2e-6. A small y takes its
// lower bits from the third word: the smallest variate of 262,144 still has all its 24 bits.
fn log2_exponential(bits: vec3<u32>) -> i32 {
  let whole = countLeadingZeros(bits.x);
  let zeros = min(countLeadingZeros(bits.y), 31u);
  let y = (bits.y << zeros) | ((bits.z >> 1u) >> (31u - zeros)) | 1u;
  let r = ~bits.y;
  var sum = 0xd48846au - multiply_high(r, 0x2cc2852u);
  sum = 0x1e49e1beu - multiply_high(r, sum);
  sum = 0x30b38482u - multiply_high(r, sum);
  sum = 0x46dd9cf2u - multiply_high(r, sum);
  sum = 0x714d463au - multiply_high(r, sum);
  sum = 0xffffed62u - multiply_high(r, sum);
  let product = multiply_high(y, sum); // 2³¹ · 2^zeros · y · G(y)
  if (whole == 0u) {
    return log2_of(product) - i32((32u + zeros) << DISTANCE_ONE);
  }
  let total = (whole << 26u) + (product >> (6u + min(zeros, 25u)));
  return log2_of(total) - (26 << DISTANCE_ONE);
}

// The Gumbel-max trick as a race: of tokens with likelihoods 2^−distance the one with the least distance + log2(exponential
// variate) is a draw from their softmax. Chance comes from seed, position and token id and from nothing else.
fn race(seed: u32, position: u32, id: u32, distance: u32) -> vec2<u32> {
  let score = i32(distance) + log2_exponential(pcg3d(vec3(seed, position, id)));
  return vec2(bitcast<u32>(score) ^ 0x80000000u, id);
}

// min-p as a mass: tokens with less are out.
fn least_mass(min_p: f32) -> u32 {
  return u32(ceil(min_p * 2147483648.0));
}
