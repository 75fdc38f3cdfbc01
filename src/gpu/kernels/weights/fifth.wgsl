// The fifth bits of eight elements, which are the lowest eight of the word: those of the even elements as bit 4 of a byte each. The
// factor is 2⁴ + 2¹⁰ + 2¹⁶ + 2²², which takes bits 0, 2, 4, 6 to 4, 12, 20, 28; what else it makes carries into none of these.
fn fifth(bits: u32) -> u32 {
  return ((bits & 0x55u) * 0x00410410u) & 0x10101010u;
}

// 16 elements: their low 4 bits, and their fifth bits in order of element.
fn fifth16(q: vec2<u32>, bits: u32) -> array<vec4<f32>, 4> {
  return quants16(q, vec2<u32>(fifth(bits), fifth(bits >> 8u)), vec2<u32>(fifth(bits >> 1u), fifth(bits >> 9u)));
}
