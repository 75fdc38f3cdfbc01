// Which keys a row sees and how its blocks of 64 positions are split among workgroups: by the row's position alone, at most SPLITS.
const LOWEST = -3.0e38;

struct Extent {
  first_key: u32,
  first_block: u32,
  blocks_per_split: u32,
  splits: u32,
}

fn extent_of(position: u32) -> Extent {
  var first_key = 0u;
  if (WINDOW > 0u && position + 1u > WINDOW) {
    first_key = position + 1u - WINDOW;
  }
  let first_block = first_key / BLOCK_POSITIONS;
  let blocks = position / BLOCK_POSITIONS + 1u - first_block;
  let blocks_per_split = (blocks + SPLITS - 1u) / SPLITS;
  return Extent(first_key, first_block, blocks_per_split, (blocks + blocks_per_split - 1u) / blocks_per_split);
}
