// The fifth bits of four elements, as 16 or 0: the lowest four bits of the word.
fn fifth(bits: u32) -> vec4<u32> {
  return ((vec4<u32>(bits) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u)) << vec4<u32>(4u);
}
