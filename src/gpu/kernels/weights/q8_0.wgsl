// Q8_0: x = d · q, blocks of 32. Repacked: signed bytes in order of element, scales as packed halves.
@group(1) @binding(0) var<storage, read> quants: array<vec4<u32>>;
@group(1) @binding(1) var<storage, read> scales: array<u32>;

// The four signed bytes of a word: as unsigned ones, 128 too large, which GPUs turn into floats at once.
fn signed_bytes(word: u32) -> vec4<f32> {
  let shifted = word ^ 0x80808080u;
  let q = vec4<u32>(shifted & 255u, (shifted >> 8u) & 255u, (shifted >> 16u) & 255u, shifted >> 24u);
  return vec4<f32>(q) - vec4<f32>(128.0);
}

struct Stored {
  quants: vec4<u32>,
  scales: u32,
}

fn fetch16(index: u32) -> Stored {
  return Stored(quants[index], scales[index >> 2u]);
}

fn decode16(s: Stored, index: u32) -> array<vec4<f32>, 4> {
  let d = half_of(s.scales, index >> 1u);
  let q = s.quants;
  return array<vec4<f32>, 4>(
    d * signed_bytes(q.x),
    d * signed_bytes(q.y),
    d * signed_bytes(q.z),
    d * signed_bytes(q.w),
  );
}
