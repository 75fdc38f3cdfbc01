// Repacks published blocks into the order that the kernels of weights/ read. One invocation a block.
// The text that follows defines `fn repack(block: u32, target_block: u32)` for its type.
struct Params {
  block_count: u32, // blocks in the source buffer
  first_target: u32, // where the first of them goes, in blocks
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<u32>;

fn byte_at(offset: u32) -> u32 {
  return (source[offset >> 2u] >> ((offset & 3u) << 3u)) & 255u;
}

fn half_bits_at(offset: u32) -> u32 {
  return byte_at(offset) | (byte_at(offset + 1u) << 8u);
}

// Eight low (shift 0) or high (shift 4) nibbles of consecutive bytes, as one word.
fn nibble_word(offset: u32, shift: u32) -> u32 {
  var word = 0u;
  for (var i = 0u; i < 8u; i++) {
    word |= ((byte_at(offset + i) >> shift) & 15u) << (i * 4u);
  }
  return word;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>) {
  let block = id.x + id.y * count.x * 64u;
  if (block < params.block_count) {
    repack(block, params.first_target + block);
  }
}
