// Q5_K: x = d·sc·q − dmin·m, blocks of 256 in eight sub-blocks of 32 with 6-bit sc and m.
// Repacked: low 4 bits in order of element, fifth bits as one word a sub-block; a head of 4 words a block.
@group(1) @binding(0) var<storage, read> quants: array<vec2<u32>>;
@group(1) @binding(1) var<storage, read> fifth_bits: array<u32>;
@group(1) @binding(2) var<storage, read> heads: array<vec4<u32>>;

struct Stored {
  quants: vec2<u32>,
  fifth_bits: u32,
  head: vec4<u32>,
}

fn fetch16(index: u32) -> Stored {
  return Stored(quants[index], fifth_bits[index >> 1u], heads[index >> 4u]);
}

fn decode16(s: Stored, index: u32) -> array<vec4<f32>, 4> {
  let factor = unpack2x16float(s.head.x) * scale_and_min(s.head, (index >> 1u) & 7u);
  return shifted(factor.x, fifth16(s.quants, s.fifth_bits >> ((index & 1u) << 4u)), -factor.y);
}
