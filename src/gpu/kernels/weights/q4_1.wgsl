// Q4_1: x = d·q + m, blocks of 32. Repacked: 4-bit quants in order of element, d and m of a block as the halves of a word.
@group(1) @binding(0) var<storage, read> quants: array<vec2<u32>>;
@group(1) @binding(1) var<storage, read> heads: array<u32>;

struct Stored {
  quants: vec2<u32>,
  head: u32,
}

fn fetch16(index: u32) -> Stored {
  return Stored(quants[index], heads[index >> 1u]);
}

fn decode16(s: Stored, index: u32) -> array<vec4<f32>, 4> {
  let head = unpack2x16float(s.head);
  return shifted(head.x, nibbles16(s.quants), head.y);
}
