// Q8_0: x = d · q, blocks of 32. Repacked: signed bytes in order of element, scales as packed halves.
@group(1) @binding(0) var<storage, read> quants: array<vec4<u32>>;
@group(1) @binding(1) var<storage, read> scales: array<u32>;

fn signed_bytes(word: u32) -> vec4<f32> {
  return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}

fn load16(index: u32) -> array<vec4<f32>, 4> {
  let block = index >> 1u;
  let d = half_of(scales[block >> 1u], block);
  let q = quants[index];
  return array<vec4<f32>, 4>(
    d * signed_bytes(q.x),
    d * signed_bytes(q.y),
    d * signed_bytes(q.z),
    d * signed_bytes(q.w),
  );
}
