// Q4_K: x = d·sc·q − dmin·m, blocks of 256 in eight sub-blocks of 32 with 6-bit sc and m.
// Repacked: 4-bit quants in order of element; a head of 4 words a block.
@group(1) @binding(0) var<storage, read> quants: array<vec2<u32>>;
@group(1) @binding(1) var<storage, read> heads: array<vec4<u32>>;

fn load16(index: u32) -> array<vec4<f32>, 4> {
  let head = heads[index >> 4u];
  let factor = unpack2x16float(head.x) * scale_and_min(head, (index >> 1u) & 7u);
  return shifted(factor.x, nibbles16(quants[index]), -factor.y);
}
