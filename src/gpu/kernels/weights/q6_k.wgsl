// Q6_K: x = d·sc·(q − 32), blocks of 256, signed 8-bit sc per 16.
// Repacked: low 4 bits and upper 2 bits in order of element, sc as packed signed bytes, d as packed halves.
@group(1) @binding(0) var<storage, read> quants: array<vec2<u32>>;
@group(1) @binding(1) var<storage, read> upper_bits: array<u32>;
@group(1) @binding(2) var<storage, read> sub_scales: array<u32>;
@group(1) @binding(3) var<storage, read> scales: array<u32>;

fn upper(bits: u32) -> vec4<u32> {
  return ((vec4<u32>(bits) >> vec4<u32>(0u, 2u, 4u, 6u)) & vec4<u32>(3u)) << vec4<u32>(4u);
}

fn load16(index: u32) -> array<vec4<f32>, 4> {
  let block = index >> 4u;
  let sub_scale = bitcast<i32>(sub_scales[index >> 2u] << (24u - (index & 3u) * 8u)) >> 24u;
  let d = half_of(scales[block >> 1u], block) * f32(sub_scale);
  let q = quants[index];
  let bits = upper_bits[index];
  let middle = vec4<f32>(32.0);
  return array<vec4<f32>, 4>(
    d * (vec4<f32>(low_nibbles(q.x) | upper(bits)) - middle),
    d * (vec4<f32>(high_nibbles(q.x) | upper(bits >> 8u)) - middle),
    d * (vec4<f32>(low_nibbles(q.y) | upper(bits >> 16u)) - middle),
    d * (vec4<f32>(high_nibbles(q.y) | upper(bits >> 24u)) - middle),
  );
}
