// IQ4_NL: x = d·curve(q), blocks of 32. Repacked as Q4_0: 4-bit quants in order of element, scales as packed halves.
@group(1) @binding(0) var<storage, read> quants: array<vec2<u32>>;
@group(1) @binding(1) var<storage, read> scales: array<u32>;

// −127, −104, −83, −65, −49, −35, −22, −10, 1, 13, 25, 38, 53, 69, 89, 113 as signed bytes, the first lowest: selects and shifts,
// because an index into an array that is not constant goes through memory.
fn curve(q: vec4<u32>) -> vec4<f32> {
  let in_second = (q & vec4<u32>(4u)) != vec4<u32>();
  let negative = select(vec4<u32>(0xbfad9881u), vec4<u32>(0xf6eaddcfu), in_second);
  let positive = select(vec4<u32>(0x26190d01u), vec4<u32>(0x71594535u), in_second);
  let word = select(negative, positive, q >= vec4<u32>(8u));
  let shift = vec4<u32>(24u) - ((q & vec4<u32>(3u)) << vec4<u32>(3u));
  return vec4<f32>(bitcast<vec4<i32>>(word << shift) >> vec4<u32>(24u));
}

struct Stored {
  quants: vec2<u32>,
  scales: u32,
}

fn fetch16(index: u32) -> Stored {
  return Stored(quants[index], scales[index >> 2u]);
}

fn decode16(s: Stored, index: u32) -> array<vec4<f32>, 4> {
  let d = half_of(s.scales, index >> 1u);
  let q = s.quants;
  return array<vec4<f32>, 4>(
    d * curve(low_nibbles(q.x)),
    d * curve(high_nibbles(q.x)),
    d * curve(low_nibbles(q.y)),
    d * curve(high_nibbles(q.y)),
  );
}
