// What the log-probability kernels share. A chunk's words: greatest key, Σ exp as f32 bits, then BEST_COUNT pairs (order, id).
const BEST_WORDS = 2u + 2u * BEST_COUNT;

var<workgroup> w_sum: array<f32, WIDTH>;

// The sum over the workgroup, in one order, to all of its invocations.
fn sum_of_workgroup(lane: u32, mine: f32) -> f32 {
  w_sum[lane] = mine;
  for (var half = WIDTH / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      w_sum[lane] += w_sum[lane + half];
    }
  }
  workgroupBarrier();
  let sum = w_sum[0];
  workgroupBarrier();
  return sum;
}
