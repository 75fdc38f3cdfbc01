// 22 bytes: d, 32 fifth bits, then 16 bytes whose low nibbles are elements 0–15 and whose high nibbles are elements 16–31.
@group(0) @binding(2) var<storage, read_write> quants: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> fifth_bits: array<u32>;
@group(0) @binding(4) var<storage, read_write> scales: array<atomic<u32>>;

fn repack(block: u32, target_block: u32) {
  let at = block * 22u;
  quants[target_block * 2u] = vec2<u32>(nibble_word(at + 6u, 0u), nibble_word(at + 14u, 0u));
  quants[target_block * 2u + 1u] = vec2<u32>(nibble_word(at + 6u, 4u), nibble_word(at + 14u, 4u));
  fifth_bits[target_block] = word_at(at + 2u);
  atomicOr(&scales[target_block >> 1u], half_bits_at(at) << ((target_block & 1u) << 4u));
}
