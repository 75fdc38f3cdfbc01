// Q5_1: x = d·q + m, blocks of 32. Repacked: low 4 bits in order of element, fifth bits as one word a block, d and m of a block as the
// halves of a word.
@group(1) @binding(0) var<storage, read> quants: array<vec2<u32>>;
@group(1) @binding(1) var<storage, read> fifth_bits: array<u32>;
@group(1) @binding(2) var<storage, read> heads: array<u32>;

struct Stored {
  quants: vec2<u32>,
  fifth_bits: u32,
  head: u32,
}

fn fetch16(index: u32) -> Stored {
  let block = index >> 1u;
  return Stored(quants[index], fifth_bits[block], heads[block]);
}

fn decode16(s: Stored, index: u32) -> array<vec4<f32>, 4> {
  let head = unpack2x16float(s.head);
  return shifted(head.x, fifth16(s.quants, s.fifth_bits >> ((index & 1u) << 4u)), head.y);
}
