// 34 bytes: d, then 32 signed bytes.
@group(0) @binding(2) var<storage, read_write> quants: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> scales: array<atomic<u32>>;

fn repack(block: u32, target_block: u32) {
  let at = block * 34u;
  for (var half = 0u; half < 2u; half++) {
    let begin = at + 2u + half * 16u;
    quants[target_block * 2u + half] = vec4<u32>(word_at(begin), word_at(begin + 4u), word_at(begin + 8u), word_at(begin + 12u));
  }
  atomicOr(&scales[target_block >> 1u], half_bits_at(at) << ((target_block & 1u) << 4u));
}
