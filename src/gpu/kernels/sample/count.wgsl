// scratch[i][token] += 1 for each position of the penalty window of row i, which ends with the row's own position.
// history: [slots][context]; scratch: [rows][vocabulary], all zero before. Workgroups: [⌈context / 256⌉, rows], an invocation a
// position. `prepare` reads the counts and leaves zeros.

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<uniform> batch: Batch;
@group(0) @binding(2) var<storage, read> rows: array<Row>;
@group(0) @binding(3) var<storage, read> slots: array<Slot>;
@group(0) @binding(4) var<storage, read> history: array<u32>;
@group(0) @binding(5) var<storage, read_write> scratch: array<atomic<u32>>;

@compute @workgroup_size(WIDTH)
fn main(@builtin(global_invocation_id) invocation: vec3<u32>) {
  let position = invocation.x;
  let row = rows[batch.head_row + invocation.y];
  if (position > row.position || position >= sizes.context || !has_penalties(row.slot)) {
    return;
  }
  let window = slots[row.slot].penalty_window;
  if (position < slots[row.slot].history_start || (window != 0u && row.position - position >= window)) {
    return;
  }
  let token = history[row.slot * sizes.context + position];
  if (token < sizes.vocabulary) {
    atomicAdd(&scratch[invocation.y * sizes.vocabulary + token], 1u);
  }
}
