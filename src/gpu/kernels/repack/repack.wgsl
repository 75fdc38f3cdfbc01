// Repacks published blocks into the order that the kernels of weights/ read. One invocation a block.
// The text that follows defines `fn repack(block: u32, target_block: u32)` for its type.
struct Params {
  block_count: u32, // blocks in the source buffer
  first_target: u32, // where the first of them goes, in blocks
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<u32>;

// Four bytes from any offset.
fn word_at(offset: u32) -> u32 {
  let index = offset >> 2u;
  let shift = (offset & 3u) << 3u;
  let word = source[index];
  if (shift == 0u) {
    return word;
  }
  return (word >> shift) | (source[index + 1u] << (32u - shift));
}

// Two bytes from an even offset.
fn half_bits_at(offset: u32) -> u32 {
  return (source[offset >> 2u] >> ((offset & 2u) << 3u)) & 0xffffu;
}

// The low nibbles of four bytes, side by side.
fn low_nibbles(bytes: u32) -> u32 {
  let even = bytes & 0x0f0f0f0fu;
  let pairs = (even | (even >> 4u)) & 0x00ff00ffu;
  return (pairs | (pairs >> 8u)) & 0xffffu;
}

// Eight low (shift 0) or high (shift 4) nibbles of consecutive bytes, as one word.
fn nibble_word(offset: u32, shift: u32) -> u32 {
  return low_nibbles(word_at(offset) >> shift) | (low_nibbles(word_at(offset + 4u) >> shift) << 16u);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>) {
  let block = id.x + id.y * count.x * 64u;
  if (block < params.block_count) {
    repack(block, params.first_target + block);
  }
}
