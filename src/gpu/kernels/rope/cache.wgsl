// Where a position's keys and values stand: blocks of 64 positions, found through a table per slot. A global layer's table is as
// long as the context; a local layer's wraps around, which makes its blocks a ring.
const BLOCK_POSITIONS = 64u;

fn cache_entry(block: u32, position: u32) -> u32 {
  return block * BLOCK_POSITIONS + position % BLOCK_POSITIONS;
}

fn table_index(slot: u32, position: u32) -> u32 {
  return slot * TABLE_LENGTH + (position / BLOCK_POSITIONS) % TABLE_LENGTH;
}
