// F32 as stored: 16 elements are 4 × vec4<f32>.
@group(1) @binding(0) var<storage, read> elements: array<vec4<f32>>;

alias Stored = array<vec4<f32>, 4>;

fn fetch16(index: u32) -> Stored {
  let at = index * 4u;
  return Stored(elements[at], elements[at + 1u], elements[at + 2u], elements[at + 3u]);
}

fn decode16(s: Stored, index: u32) -> array<vec4<f32>, 4> {
  return s;
}
