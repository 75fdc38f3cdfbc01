// Q4_K: x = d·sc·q − dmin·m, blocks of 256 in eight sub-blocks of 32 with 6-bit sc and m.
// Repacked: 4-bit quants in order of element; a head of 4 words a block.
@group(1) @binding(0) var<storage, read> quants: array<vec2<u32>>;
@group(1) @binding(1) var<storage, read> heads: array<vec4<u32>>;

struct Stored {
  quants: vec2<u32>,
  head: vec4<u32>,
}

fn fetch16(index: u32) -> Stored {
  return Stored(quants[index], heads[index >> 4u]);
}

fn decode16(s: Stored, index: u32) -> array<vec4<f32>, 4> {
  let factor = unpack2x16float(s.head.x) * scale_and_min(s.head, (index >> 1u) & 7u);
  return shifted(factor.x, nibbles16(s.quants), -factor.y);
}
