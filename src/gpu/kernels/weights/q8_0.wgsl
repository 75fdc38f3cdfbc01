// Q8_0: x = d · q, blocks of 32. Repacked: signed bytes in order of element, scales as packed halves.
@group(1) @binding(0) var<storage, read> quants: array<vec4<u32>>;
@group(1) @binding(1) var<storage, read> scales: array<u32>;

// The four signed bytes of a word: as unsigned ones, 128 too large, which GPUs turn into floats at once.
fn signed_bytes(word: u32) -> vec4<f32> {
  let shifted = word ^ 0x80808080u;
  let q = vec4<u32>(shifted & 255u, (shifted >> 8u) & 255u, (shifted >> 16u) & 255u, shifted >> 24u);
  return vec4<f32>(q) - vec4<f32>(128.0);
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
