// Q4_0: x = d · (q − 8), blocks of 32. Repacked: 4-bit quants in order of element, scales as packed halves.
@group(1) @binding(0) var<storage, read> quants: array<vec2<u32>>;
@group(1) @binding(1) var<storage, read> scales: array<u32>;

struct Stored {
  quants: vec2<u32>,
  scales: u32,
}

fn fetch16(index: u32) -> Stored {
  return Stored(quants[index], scales[index >> 2u]);
}

fn decode16(s: Stored, index: u32) -> array<vec4<f32>, 4> {
  return centered(half_of(s.scales, index >> 1u), nibbles16(s.quants), 8.0);
}
