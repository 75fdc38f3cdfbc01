// 144 bytes: d, dmin, 12 bytes of 6-bit sc and m, then four runs of 32 bytes; of run c the low nibbles are elements 64c … 64c + 31 and
// the high nibbles 64c + 32 … 64c + 63.
@group(0) @binding(2) var<storage, read_write> quants: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> heads: array<vec4<u32>>;

fn repack(block: u32, target_block: u32) {
  let word = block * 36u;
  heads[target_block] = vec4<u32>(source[word], source[word + 1u], source[word + 2u], source[word + 3u]);
  for (var index = 0u; index < 16u; index++) {
    let run = index >> 2u;
    let shift = ((index >> 1u) & 1u) * 4u;
    let begin = block * 144u + 16u + run * 32u + (index & 1u) * 16u;
    quants[target_block * 16u + index] = vec2<u32>(nibble_word(begin, shift), nibble_word(begin + 8u, shift));
  }
}
