// 210 bytes: ql (128), qh (64), sc (16 signed bytes), d. In half n (128 elements), quarter j (32 elements), element l:
// low bits = nibble j / 2 of ql[64n + 32(j % 2) + l], upper bits = bits 2j, 2j + 1 of qh[32n + l].
@group(0) @binding(2) var<storage, read_write> quants: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> upper_bits: array<u32>;
@group(0) @binding(4) var<storage, read_write> sub_scales: array<u32>;
@group(0) @binding(5) var<storage, read_write> scales: array<atomic<u32>>;

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
    for (var i = 0u; i < 16u; i++) {
      bits |= ((byte_at(at + 128u + 32u * n + l + i) >> (2u * j)) & 3u) << (2u * i);
    }
    upper_bits[target_block * 16u + index] = bits;
  }
  for (var i = 0u; i < 4u; i++) {
    let begin = at + 192u + i * 4u;
    sub_scales[target_block * 4u + i] = half_bits_at(begin) | (half_bits_at(begin + 2u) << 16u);
  }
  atomicOr(&scales[target_block >> 1u], half_bits_at(at + 208u) << ((target_block & 1u) << 4u));
}
