// BF16 as stored: the upper 16 bits of an f32; 16 elements are 8 × u32.
@group(1) @binding(0) var<storage, read> elements: array<vec4<u32>>;

fn quad(low: u32, high: u32) -> vec4<f32> {
  return bitcast<vec4<f32>>(vec4<u32>(low << 16u, low & 0xffff0000u, high << 16u, high & 0xffff0000u));
}

fn load16(index: u32) -> array<vec4<f32>, 4> {
  let a = elements[index * 2u];
  let b = elements[index * 2u + 1u];
  return array<vec4<f32>, 4>(quad(a.x, a.y), quad(a.z, a.w), quad(b.x, b.y), quad(b.z, b.w));
}
