// F32 as stored: 16 elements are 4 × vec4<f32>.
@group(1) @binding(0) var<storage, read> elements: array<vec4<f32>>;

fn load16(index: u32) -> array<vec4<f32>, 4> {
  let at = index * 4u;
  return array<vec4<f32>, 4>(elements[at], elements[at + 1u], elements[at + 2u], elements[at + 3u]);
}
