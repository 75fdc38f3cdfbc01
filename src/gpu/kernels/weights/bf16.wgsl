// BF16 as stored: the upper 16 bits of an f32; 16 elements are 8 × u32.
@group(1) @binding(0) var<storage, read> elements: array<vec4<u32>>;

fn quad(low: u32, high: u32) -> vec4<f32> {
  return bitcast<vec4<f32>>(vec4<u32>(low << 16u, low & 0xffff0000u, high << 16u, high & 0xffff0000u));
}

alias Stored = array<vec4<u32>, 2>;

fn fetch16(index: u32) -> Stored {
  return Stored(elements[index * 2u], elements[index * 2u + 1u]);
}

fn decode16(s: Stored, index: u32) -> array<vec4<f32>, 4> {
  return array<vec4<f32>, 4>(quad(s[0].x, s[0].y), quad(s[0].z, s[0].w), quad(s[1].x, s[1].y), quad(s[1].z, s[1].w));
}
