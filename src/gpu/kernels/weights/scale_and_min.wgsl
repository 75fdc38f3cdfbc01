// sc and m of sub-block `sub` of a Q4_K or Q5_K head (d and dmin as halves, then the 12 bytes of 6-bit sc and m as published): for 0–3
// six bits of bytes sub and sub + 4; for 4–7 the low (sc) and high (m) nibble of byte sub + 4, with the upper two bits of bytes sub − 4
// and sub.
fn scale_and_min(head: vec4<u32>, sub: u32) -> vec2<f32> {
  let shift = (sub & 3u) * 8u;
  let a = (head.y >> shift) & 255u;
  let b = (head.z >> shift) & 255u;
  let c = (head.w >> shift) & 255u;
  let first = vec2<u32>(a & 63u, b & 63u);
  let second = vec2<u32>((c & 15u) | ((a >> 6u) << 4u), (c >> 4u) | ((b >> 6u) << 4u));
  return vec2<f32>(select(first, second, sub >= 4u));
}
