// Rows with top-k or top-p: lists the tokens of all bins that may hold a survivor; `draw` then needs no other. Rows without:
// every token races, partials[i][c] = the first of chunk c.
// scratch, keys: [rows][vocabulary]; histogram: [rows][HISTOGRAM_WORDS]; partials: [rows][chunks]. Workgroups: [chunks, rows].

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<uniform> batch: Batch;
@group(0) @binding(2) var<storage, read> rows: array<Row>;
@group(0) @binding(3) var<storage, read> slots: array<Slot>;
@group(0) @binding(4) var<storage, read> keys: array<u32>;
@group(0) @binding(5) var<storage, read_write> histogram: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read_write> scratch: array<u32>;
@group(0) @binding(7) var<storage, read_write> partials: array<vec2<u32>>;

var<workgroup> w_count: atomic<u32>;
var<workgroup> w_base: u32;

fn list_candidates(i: u32, chunk: u32, slot: u32, lane: u32) {
  load_bins(i, lane);
  let top_k = top_k_of(slot);
  // Where nothing reaches the goal, OUT lets every bin in.
  let last = find_bin(lane, vec2(top_k, 0u), select(slots[slot].top_p, 1.0, top_k > 0u)).x;
  var mine: array<u32, CHUNK / WIDTH>;
  var count = 0u;
  for (var k = 0u; k < CHUNK / WIDTH; k++) {
    let id = chunk * CHUNK + k * WIDTH + lane;
    if (id < sizes.vocabulary) {
      let distance = keys[i * sizes.vocabulary + id];
      if (distance != OUT && (distance >> BIN_SHIFT) <= last) {
        mine[count] = id;
        count++;
      }
    }
  }
  let offset = atomicAdd(&w_count, count);
  workgroupBarrier();
  if (lane == 0u) {
    w_base = atomicAdd(&histogram[i * HISTOGRAM_WORDS + LIST_LENGTH], atomicLoad(&w_count));
  }
  workgroupBarrier();
  for (var k = 0u; k < count; k++) {
    scratch[i * sizes.vocabulary + w_base + offset + k] = mine[k];
  }
}

@compute @workgroup_size(WIDTH)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = workgroup.y;
  let row = rows[batch.head_row + i];
  if (!is_drawn(row.slot)) {
    return;
  }
  if (is_truncated(row.slot)) {
    list_candidates(i, workgroup.x, row.slot, lane);
    return;
  }
  let least = least_mass(slots[row.slot].min_p);
  var best = NONE;
  for (var k = 0u; k < CHUNK / WIDTH; k++) {
    let id = workgroup.x * CHUNK + k * WIDTH + lane;
    if (id < sizes.vocabulary) {
      let distance = keys[i * sizes.vocabulary + id];
      if (distance != OUT && mass_of(distance) >= least) {
        best = first_of(best, race(slots[row.slot].seed, row.position, id, distance));
      }
    }
  }
  best = first_of_workgroup(lane, best);
  if (lane == 0u) {
    partials[i * sizes.chunks + workgroup.x] = best;
  }
}
