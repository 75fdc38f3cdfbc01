// Elements 16·index … 16·index + 15 as f32.
fn load16(index: u32) -> array<vec4<f32>, 4> {
  return decode16(fetch16(index), index);
}
