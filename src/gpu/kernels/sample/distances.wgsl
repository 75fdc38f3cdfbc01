// keys[i][id] becomes the token's distance from the likeliest, ⌊(l_max − l) · log2(e) / temperature · 2²⁴⌋, or OUT; and rows with
// top-k or top-p get a histogram of their distances: tokens a bin (top-k) or mass a bin (top-p alone).
// keys: [rows][vocabulary]; partials: [rows][chunks]; histogram: [rows][HISTOGRAM_WORDS]. Workgroups: [chunks, rows].

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<uniform> batch: Batch;
@group(0) @binding(2) var<storage, read> rows: array<Row>;
@group(0) @binding(3) var<storage, read> slots: array<Slot>;
@group(0) @binding(4) var<storage, read> partials: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> keys: array<u32>;
@group(0) @binding(6) var<storage, read_write> histogram: array<atomic<u32>>;

fn distance_of(key: u32, best: u32, sharpness: f32) -> u32 {
  if (key == FORBIDDEN) {
    return OUT;
  }
  let distance = (logit_of(best) - logit_of(key)) * sharpness;
  if (distance >= DISTANCE_END) {
    return OUT;
  }
  return u32(distance * 16777216.0);
}

@compute @workgroup_size(WIDTH)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = workgroup.y;
  let slot = rows[batch.head_row + i].slot;
  if (!is_drawn(slot)) {
    return;
  }
  let count_tokens = top_k_of(slot) > 0u;
  let truncated = is_truncated(slot);
  var first = NONE;
  for (var c = lane; c < sizes.chunks; c += WIDTH) {
    first = first_of(first, partials[i * sizes.chunks + c]);
  }
  let best = ~first_of_workgroup(lane, first).x;
  for (var k = 0u; k < CHUNK / WIDTH; k++) {
    let id = workgroup.x * CHUNK + k * WIDTH + lane;
    if (id < sizes.vocabulary) {
      let at = i * sizes.vocabulary + id;
      let distance = distance_of(keys[at], best, slots[slot].sharpness);
      keys[at] = distance;
      if (truncated && distance != OUT) {
        let weight = select(mass_of(distance), 1u, count_tokens);
        if (weight > 0u) {
          add_to_bin(distance >> BIN_SHIFT, weight);
        }
      }
    }
  }
  workgroupBarrier();
  var sum = bin_sum(lane);
  if (sum.x != 0u || sum.y != 0u) {
    let at = i * HISTOGRAM_WORDS + lane;
    let before = atomicAdd(&histogram[at], sum.x);
    sum.y += select(0u, 1u, before + sum.x < before);
    if (sum.y != 0u) {
      atomicAdd(&histogram[at + BINS], sum.y);
    }
  }
}
