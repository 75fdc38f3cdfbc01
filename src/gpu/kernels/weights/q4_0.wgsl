// Q4_0: x = d · (q − 8), blocks of 32. Repacked: 4-bit quants in order of element, scales as packed halves.
@group(1) @binding(0) var<storage, read> quants: array<vec2<u32>>;
@group(1) @binding(1) var<storage, read> scales: array<u32>;

fn load16(index: u32) -> array<vec4<f32>, 4> {
  let block = index >> 1u;
  let d = half_of(scales[block >> 1u], block);
  return centered(d, nibbles16(quants[index]), 8.0);
}
