// The state that a recorded plan works on. Every kernel that needs to know what a row is starts with this file.

// One row of a batch: written by the CPU for prompt rows, filled in from the slot by `embed` for generated rows.
struct Row {
  slot: u32,
  position: u32,
  token: u32,
  reserved: u32,
}

// What the batch is. `head_row` is the first row whose logits are wanted (prompt: its last row; generated: 0).
struct Batch {
  row_count: u32,
  head_row: u32,
  generated: u32,
  reserved: u32,
}

// A slot's sequence as it lives on the GPU: token and position of the next row, and the complete sampler.
struct Slot {
  token: u32,
  position: u32,
  seed: u32,
  top_k: u32, // 0: off
  temperature: f32, // 0: greedy
  top_p: f32, // 1: off
  min_p: f32, // 0: off
  repetition_penalty: f32, // 1: off
  presence_penalty: f32,
  frequency_penalty: f32,
  penalty_window: u32, // 0: the whole history
  log_probabilities: u32, // how many of the best to report, 0 to 20
  use_mask: u32,
  history_start: u32, // the first position whose token counts for penalties
  inverse_repetition_penalty: f32,
  sharpness: f32, // log2(e) / temperature, where that is not 0
}
