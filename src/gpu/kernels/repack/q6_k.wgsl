// 210 bytes: ql (128), qh (64), sc (16 signed bytes), d. In half n (128 elements), quarter j (32 elements), element l:
// low bits = nibble j / 2 of ql[64n + 32(j % 2) + l], upper bits = bits 2j, 2j + 1 of qh[32n + l].
@group(0) @binding(2) var<storage, read_write> quants: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> upper_bits: array<u32>;
@group(0) @binding(4) var<storage, read_write> sub_scales: array<u32>;
@group(0) @binding(5) var<storage, read_write> scales: array<atomic<u32>>;

// The low two bits of four bytes, side by side.
fn low_pairs(bytes: u32) -> u32 {
  let even = bytes & 0x03030303u;
  let nibbles = (even | (even >> 6u)) & 0x000f000fu;
  return (nibbles | (nibbles >> 12u)) & 0xffu;
}

fn repack(block: u32, target_block: u32) {
  let at = block * 210u;
  for (var index = 0u; index < 16u; index++) {
    let n = index >> 3u;
    let j = (index >> 1u) & 3u;
    let l = (index & 1u) * 16u;
    let low = at + 64u * n + 32u * (j & 1u) + l;
    let shift = (j >> 1u) * 4u;
    quants[target_block * 16u + index] = vec2<u32>(nibble_word(low, shift), nibble_word(low + 8u, shift));
    var bits = 0u;
    for (var i = 0u; i < 4u; i++) {
      bits |= low_pairs(word_at(at + 128u + 32u * n + l + 4u * i) >> (2u * j)) << (8u * i);
    }
    upper_bits[target_block * 16u + index] = bits;
  }
  for (var i = 0u; i < 4u; i++) {
    sub_scales[target_block * 4u + i] = word_at(at + 192u + i * 4u);
  }
  atomicOr(&scales[target_block >> 1u], half_bits_at(at + 208u) << ((target_block & 1u) << 4u));
}
