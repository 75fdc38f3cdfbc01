// For rows that report log-probabilities, of each chunk: the greatest key, Σ exp(l − l_chunk), and the likeliest tokens in order.
// logits: [rows][vocabulary], raw; bests: [rows][chunks][BEST_WORDS]. Workgroups: [chunks, rows]. Sums run in a fixed order.

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<uniform> batch: Batch;
@group(0) @binding(2) var<storage, read> rows: array<Row>;
@group(0) @binding(3) var<storage, read> slots: array<Slot>;
@group(0) @binding(4) var<storage, read> logits: array<f32>;
@group(0) @binding(5) var<storage, read_write> bests: array<u32>;

// The first of the invocation's own tokens that comes after `last`.
fn next_of_lane(i: u32, chunk: u32, lane: u32, last: vec2<u32>) -> vec2<u32> {
  var next = NONE;
  for (var k = 0u; k < CHUNK / WIDTH; k++) {
    let id = chunk * CHUNK + k * WIDTH + lane;
    if (id < sizes.vocabulary) {
      let pair = vec2(~key_of(logits[i * sizes.vocabulary + id]), id);
      if (pair.x > last.x || (pair.x == last.x && pair.y > last.y)) {
        next = first_of(next, pair);
      }
    }
  }
  return next;
}

@compute @workgroup_size(WIDTH)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = workgroup.y;
  let chunk = workgroup.x;
  let count = min(slots[rows[batch.head_row + i].slot].log_probabilities, BEST_COUNT);
  if (count == 0u) {
    return;
  }
  let at = (i * sizes.chunks + chunk) * BEST_WORDS;
  var own = next_of_lane(i, chunk, lane, vec2(0u, 0u));
  for (var n = 0u; n < count; n++) {
    let first = first_of_workgroup(lane, own);
    if (lane == 0u) {
      bests[at + 2u + 2u * n] = first.x;
      bests[at + 3u + 2u * n] = first.y;
      if (n == 0u) {
        bests[at] = ~first.x;
      }
    }
    if (n == 0u) {
      var sum = 0.0;
      for (var k = 0u; k < CHUNK / WIDTH; k++) {
        let id = chunk * CHUNK + k * WIDTH + lane;
        if (id < sizes.vocabulary) {
          sum += exp(logit_of(key_of(logits[i * sizes.vocabulary + id])) - logit_of(~first.x));
        }
      }
      sum = sum_of_workgroup(lane, sum);
      if (lane == 0u) {
        bests[at + 1u] = bitcast<u32>(sum);
      }
    }
    if (all(own == first)) {
      own = next_of_lane(i, chunk, lane, first);
    }
  }
}
