// The result of a row gets log-probabilities of the raw logits, l − l_max − ln Σ exp(l − l_max): of the token that was chosen and of the
// likeliest, in order. A workgroup a row; rows that ask for none are left as they are.
// logits: [rows][vocabulary]; bests: [rows][chunks][BEST_WORDS] of best.wgsl; results: [rows][RESULT_STEPS][RESULT_WORDS].

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<uniform> batch: Batch;
@group(0) @binding(2) var<storage, read> rows: array<Row>;
@group(0) @binding(3) var<storage, read> slots: array<Slot>;
@group(0) @binding(4) var<storage, read> logits: array<f32>;
@group(0) @binding(5) var<storage, read> bests: array<u32>;
@group(0) @binding(6) var<storage, read_write> results: array<u32>;

// The first of the invocation's own candidates that comes after `last`.
fn next_of_lane(i: u32, lane: u32, count: u32, last: vec2<u32>) -> vec2<u32> {
  var next = NONE;
  for (var j = lane; j < sizes.chunks * count; j += WIDTH) {
    let at = (i * sizes.chunks + j / count) * BEST_WORDS + 2u + 2u * (j % count);
    let pair = vec2(bests[at], bests[at + 1u]);
    if (pair.x > last.x || (pair.x == last.x && pair.y > last.y)) {
      next = first_of(next, pair);
    }
  }
  return next;
}

@compute @workgroup_size(WIDTH)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = workgroup.x;
  let row = rows[batch.head_row + i];
  let count = min(min(slots[row.slot].log_probabilities, BEST_COUNT), sizes.vocabulary);
  if (count == 0u) {
    return;
  }
  var own = next_of_lane(i, lane, count, vec2(0u, 0u));
  var first = first_of_workgroup(lane, own);
  let greatest = logit_of(~first.x);
  var sum = 0.0;
  for (var c = lane; c < sizes.chunks; c += WIDTH) {
    let at = (i * sizes.chunks + c) * BEST_WORDS;
    sum += bitcast<f32>(bests[at + 1u]) * exp(logit_of(bests[at]) - greatest);
  }
  let log_sum = log(sum_of_workgroup(lane, sum));
  let result = result_at(i, row.position);
  for (var n = 0u; n < count; n++) {
    if (n > 0u) {
      first = first_of_workgroup(lane, own);
    }
    if (lane == 0u) {
      results[result + 4u + n] = first.y;
      results[result + 4u + BEST_COUNT + n] = bitcast<u32>(logit_of(~first.x) - greatest - log_sum);
    }
    if (all(own == first)) {
      own = next_of_lane(i, lane, count, first);
    }
  }
  if (lane == 0u) {
    let logit = logit_of(key_of(logits[i * sizes.vocabulary + results[result + 1u]]));
    results[result + 2u] = bitcast<u32>(logit - greatest - log_sum);
    results[result + 3u] = count;
  }
}
