// 24 bytes: d, m, 32 fifth bits, then 16 bytes whose low nibbles are elements 0–15 and whose high nibbles are elements 16–31.
@group(0) @binding(2) var<storage, read_write> quants: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> fifth_bits: array<u32>;
@group(0) @binding(4) var<storage, read_write> heads: array<u32>;

fn repack(block: u32, target_block: u32) {
  let at = block * 24u;
  heads[target_block] = source[at >> 2u];
  fifth_bits[target_block] = source[(at >> 2u) + 1u];
  quants[target_block * 2u] = vec2<u32>(nibble_word(at + 8u, 0u), nibble_word(at + 16u, 0u));
  quants[target_block * 2u + 1u] = vec2<u32>(nibble_word(at + 8u, 4u), nibble_word(at + 16u, 4u));
}
