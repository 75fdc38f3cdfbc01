// 4-bit quants in order of element, the first in the lowest bits: a word holds 8 elements.
fn low_nibbles(word: u32) -> vec4<u32> {
  return (vec4<u32>(word) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u);
}

fn high_nibbles(word: u32) -> vec4<u32> {
  return (vec4<u32>(word) >> vec4<u32>(16u, 20u, 24u, 28u)) & vec4<u32>(15u);
}

// The same as bytes, four elements at once: GPUs shift and mask at half their rate, and turn any byte of a word into a float at once.
fn even_nibbles(word: u32) -> u32 {
  return word & 0x0f0f0f0fu;
}

fn odd_nibbles(word: u32) -> u32 {
  return (word >> 4u) & 0x0f0f0f0fu;
}

// 8 elements whose even and odd ones stand as bytes in words of their own: the first four, and the others.
fn low_bytes(even: u32, odd: u32) -> vec4<f32> {
  return vec4<f32>(vec4<u32>(even & 255u, odd & 255u, (even >> 8u) & 255u, (odd >> 8u) & 255u));
}

fn high_bytes(even: u32, odd: u32) -> vec4<f32> {
  return vec4<f32>(vec4<u32>((even >> 16u) & 255u, (odd >> 16u) & 255u, even >> 24u, odd >> 24u));
}

// 16 elements: the nibbles of two words, with the upper bits of their even and odd elements.
fn quants16(q: vec2<u32>, even: vec2<u32>, odd: vec2<u32>) -> array<vec4<f32>, 4> {
  let a = even_nibbles(q.x) | even.x;
  let b = odd_nibbles(q.x) | odd.x;
  let c = even_nibbles(q.y) | even.y;
  let e = odd_nibbles(q.y) | odd.y;
  return array<vec4<f32>, 4>(low_bytes(a, b), high_bytes(a, b), low_bytes(c, e), high_bytes(c, e));
}

fn nibbles16(q: vec2<u32>) -> array<vec4<f32>, 4> {
  return quants16(q, vec2<u32>(), vec2<u32>());
}

// d·(q − middle)
fn centered(d: f32, q: array<vec4<f32>, 4>, middle: f32) -> array<vec4<f32>, 4> {
  let m = vec4<f32>(middle);
  return array<vec4<f32>, 4>(d * (q[0] - m), d * (q[1] - m), d * (q[2] - m), d * (q[3] - m));
}

// d·q + m
fn shifted(d: f32, q: array<vec4<f32>, 4>, m: f32) -> array<vec4<f32>, 4> {
  let offset = vec4<f32>(m);
  return array<vec4<f32>, 4>(d * q[0] + offset, d * q[1] + offset, d * q[2] + offset, d * q[3] + offset);
}

// The half-precision number at `index` of an array that packs two in a word.
fn half_of(word: u32, index: u32) -> f32 {
  return select(unpack2x16float(word).x, unpack2x16float(word).y, (index & 1u) == 1u);
}
