// Q5_0: x = d · (q − 16), blocks of 32. Repacked: low 4 bits in order of element, fifth bits as one word a block, scales as packed halves.
@group(1) @binding(0) var<storage, read> quants: array<vec2<u32>>;
@group(1) @binding(1) var<storage, read> fifth_bits: array<u32>;
@group(1) @binding(2) var<storage, read> scales: array<u32>;

fn load16(index: u32) -> array<vec4<f32>, 4> {
  let block = index >> 1u;
  let d = half_of(scales[block >> 1u], block);
  return centered(d, fifth16(quants[index], fifth_bits[block] >> ((index & 1u) << 4u)), 16.0);
}
