// Q6_K: x = d·sc·(q − 32), blocks of 256, signed 8-bit sc per 16.
// Repacked: low 4 bits and upper 2 bits in order of element, sc as packed signed bytes, d as packed halves.
@group(1) @binding(0) var<storage, read> quants: array<vec2<u32>>;
@group(1) @binding(1) var<storage, read> upper_bits: array<u32>;
@group(1) @binding(2) var<storage, read> sub_scales: array<u32>;
@group(1) @binding(3) var<storage, read> scales: array<u32>;

// The upper two bits of eight elements, which are the lowest 16 of the word: those of the even elements as bits 4 and 5 of a byte each.
fn upper(bits: u32) -> u32 {
  let pairs = bits & 0x3333u;
  let spread = (pairs | (pairs << 8u)) & 0x00330033u;
  return ((spread | (spread << 4u)) & 0x03030303u) << 4u;
}

struct Stored {
  quants: vec2<u32>,
  upper_bits: u32,
  sub_scales: u32,
  scales: u32,
}

fn fetch16(index: u32) -> Stored {
  return Stored(quants[index], upper_bits[index], sub_scales[index >> 2u], scales[index >> 5u]);
}

fn decode16(s: Stored, index: u32) -> array<vec4<f32>, 4> {
  let sub_scale = bitcast<i32>(s.sub_scales << (24u - (index & 3u) * 8u)) >> 24u;
  let d = half_of(s.scales, index >> 4u) * f32(sub_scale);
  let even = vec2<u32>(upper(s.upper_bits), upper(s.upper_bits >> 16u));
  let odd = vec2<u32>(upper(s.upper_bits >> 2u), upper(s.upper_bits >> 18u));
  return centered(d, quants16(s.quants, even, odd), 32.0);
}
