// Q5_0: x = d · (q − 16), blocks of 32. Repacked: low 4 bits in order of element, fifth bits as one word a block, scales as packed halves.
@group(1) @binding(0) var<storage, read> quants: array<vec2<u32>>;
@group(1) @binding(1) var<storage, read> fifth_bits: array<u32>;
@group(1) @binding(2) var<storage, read> scales: array<u32>;

struct Stored {
  quants: vec2<u32>,
  fifth_bits: u32,
  scales: u32,
}

fn fetch16(index: u32) -> Stored {
  let block = index >> 1u;
  return Stored(quants[index], fifth_bits[block], scales[block >> 1u]);
}

fn decode16(s: Stored, index: u32) -> array<vec4<f32>, 4> {
  return centered(half_of(s.scales, index >> 1u), fifth16(s.quants, s.fifth_bits >> ((index & 1u) << 4u)), 16.0);
}
