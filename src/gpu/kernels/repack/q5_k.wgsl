// 176 bytes: d, dmin, 12 bytes of 6-bit sc and m; 32 bytes, of which bit s of byte i is the fifth bit of element 32s + i; four runs of 32
// bytes: of run c the low nibbles are elements 64c … 64c + 31 and the high nibbles 64c + 32 … 64c + 63.
@group(0) @binding(2) var<storage, read_write> quants: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> fifth_bits: array<u32>;
@group(0) @binding(4) var<storage, read_write> heads: array<vec4<u32>>;

// The lowest bit of four bytes, side by side.
fn low_bits(bytes: u32) -> u32 {
  let even = bytes & 0x01010101u;
  let pairs = (even | (even >> 7u)) & 0x00030003u;
  return (pairs | (pairs >> 14u)) & 15u;
}

fn repack(block: u32, target_block: u32) {
  let at = block * 176u;
  let word = block * 44u;
  heads[target_block] = vec4<u32>(source[word], source[word + 1u], source[word + 2u], source[word + 3u]);
  for (var sub = 0u; sub < 8u; sub++) {
    var bits = 0u;
    for (var i = 0u; i < 8u; i++) {
      bits |= low_bits(source[word + 4u + i] >> sub) << (4u * i);
    }
    fifth_bits[target_block * 8u + sub] = bits;
    let begin = at + 48u + (sub >> 1u) * 32u;
    let shift = (sub & 1u) * 4u;
    for (var half = 0u; half < 2u; half++) {
      let first = begin + half * 16u;
      quants[target_block * 16u + sub * 2u + half] = vec2<u32>(nibble_word(first, shift), nibble_word(first + 8u, shift));
    }
  }
}
