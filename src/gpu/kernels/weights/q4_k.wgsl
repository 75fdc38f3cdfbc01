// Q4_K: x = d·sc·q − dmin·m, blocks of 256 in eight sub-blocks of 32 with 6-bit sc and m.
// Repacked: 4-bit quants in order of element; a head of 4 words a block: d and dmin as halves, then the 12 bytes of sc and m as published.
@group(1) @binding(0) var<storage, read> quants: array<vec2<u32>>;
@group(1) @binding(1) var<storage, read> heads: array<vec4<u32>>;

// sc and m of sub-block `sub`: for 0–3 six bits of bytes sub and sub + 4; for 4–7 the low (sc) and high (m) nibble of byte
// sub + 4, with the upper two bits of bytes sub − 4 and sub.
fn scale_and_min(head: vec4<u32>, sub: u32) -> vec2<f32> {
  let shift = (sub & 3u) * 8u;
  let a = (head.y >> shift) & 255u;
  let b = (head.z >> shift) & 255u;
  let c = (head.w >> shift) & 255u;
  let first = vec2<u32>(a & 63u, b & 63u);
  let second = vec2<u32>((c & 15u) | ((a >> 6u) << 4u), (c >> 4u) | ((b >> 6u) << 4u));
  return vec2<f32>(select(first, second, sub >= 4u));
}

fn load16(index: u32) -> array<vec4<f32>, 4> {
  let head = heads[index >> 4u];
  let factor = unpack2x16float(head.x) * scale_and_min(head, (index >> 1u) & 7u);
  let q = quants[index];
  let d = factor.x;
  let minimum = vec4<f32>(factor.y);
  return array<vec4<f32>, 4>(
    d * vec4<f32>(low_nibbles(q.x)) - minimum,
    d * vec4<f32>(high_nibbles(q.x)) - minimum,
    d * vec4<f32>(low_nibbles(q.y)) - minimum,
    d * vec4<f32>(high_nibbles(q.y)) - minimum,
  );
}
