// 20 bytes: d, m, then 16 bytes whose low nibbles are elements 0–15 and whose high nibbles are elements 16–31.
@group(0) @binding(2) var<storage, read_write> quants: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> heads: array<u32>;

fn repack(block: u32, target_block: u32) {
  let at = block * 20u;
  heads[target_block] = source[at >> 2u];
  quants[target_block * 2u] = vec2<u32>(nibble_word(at + 4u, 0u), nibble_word(at + 12u, 0u));
  quants[target_block * 2u + 1u] = vec2<u32>(nibble_word(at + 4u, 4u), nibble_word(at + 12u, 4u));
}
