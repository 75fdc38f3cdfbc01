// 4-bit quants in order of element, the first in the lowest bits: a word holds 8 elements.
fn low_nibbles(word: u32) -> vec4<u32> {
  return (vec4<u32>(word) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u);
}

fn high_nibbles(word: u32) -> vec4<u32> {
  return (vec4<u32>(word) >> vec4<u32>(16u, 20u, 24u, 28u)) & vec4<u32>(15u);
}

// The half-precision number at `index` of an array that packs two in a word.
fn half_of(word: u32, index: u32) -> f32 {
  return select(unpack2x16float(word).x, unpack2x16float(word).y, (index & 1u) == 1u);
}
