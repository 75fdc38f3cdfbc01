// Histograms over distances, 64-bit sums out of two u32, and the bin in which a running sum reaches a target.

var<workgroup> w_bins: array<atomic<u32>, 2u * BINS>; // low words, then high words; a bin an invocation
var<workgroup> w_found: vec3<u32>; // bin or OUT, what of the target is left for it (low, high)

// A row's histogram in memory: low words, high words, the length of its candidate list. All zero before `distances`.
const HISTOGRAM_WORDS = 2u * BINS + 1u;
const LIST_LENGTH = 2u * BINS;

// 0 where it leaves every token in.
fn top_k_of(slot: u32) -> u32 {
  return select(0u, slots[slot].top_k, slots[slot].top_k < sizes.vocabulary);
}

fn is_drawn(slot: u32) -> bool {
  return slots[slot].temperature > 0.0;
}

// Whether the slot's choice must know how the likeliest tokens rank.
fn is_truncated(slot: u32) -> bool {
  return is_drawn(slot) && (top_k_of(slot) > 0u || slots[slot].top_p < 1.0);
}

fn sum64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  let low = a.x + b.x;
  return vec2(low, a.y + b.y + select(0u, 1u, low < a.x));
}

fn less64(a: vec2<u32>, b: vec2<u32>) -> bool {
  return a.y < b.y || (a.y == b.y && a.x < b.x);
}

fn difference64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  return vec2(a.x - b.x, a.y - b.y - select(0u, 1u, a.x < b.x));
}

fn add_to_bin(bin: u32, weight: u32) {
  let before = atomicAdd(&w_bins[bin], weight);
  if (before + weight < before) {
    atomicAdd(&w_bins[BINS + bin], 1u);
  }
}

fn bin_sum(bin: u32) -> vec2<u32> {
  return vec2(atomicLoad(&w_bins[bin]), atomicLoad(&w_bins[BINS + bin]));
}

fn clear_bins(lane: u32) {
  for (var word = lane; word < 2u * BINS; word += WIDTH) {
    atomicStore(&w_bins[word], 0u);
  }
  workgroupBarrier();
}

// ⌈total · p⌉, at least 1, for 0 ≤ p < 1 and total < 2⁶³.
fn share_of(total: vec2<u32>, p: f32) -> vec2<u32> {
  let share = u32(p * 4294967296.0);
  let high = vec2(total.y * share, multiply_high(total.y, share));
  let low = multiply_high(total.x, share) + select(0u, 1u, total.x * share != 0u);
  let target_sum = sum64(high, vec2(low, 0u));
  return select(target_sum, vec2(1u, 0u), target_sum.x == 0u && target_sum.y == 0u);
}

// The first bin up to which the bins' sum reaches `goal`, or the share `p` of all where p < 1; OUT where nothing does.
// Bins must have been written before a barrier; the result is the same for all invocations.
fn find_bin(lane: u32, goal: vec2<u32>, p: f32) -> vec3<u32> {
  let own = bin_sum(lane);
  w_pair_x[lane] = own.x;
  w_pair_y[lane] = own.y;
  if (lane == 0u) {
    w_found = vec3(OUT, 0u, 0u);
  }
  workgroupBarrier();
  var sum = own;
  for (var step = 1u; step < WIDTH; step *= 2u) {
    if (lane >= step) {
      sum = sum64(sum, vec2(w_pair_x[lane - step], w_pair_y[lane - step]));
    }
    workgroupBarrier();
    w_pair_x[lane] = sum.x;
    w_pair_y[lane] = sum.y;
    workgroupBarrier();
  }
  var wanted = goal;
  if (p < 1.0) {
    wanted = share_of(vec2(w_pair_x[WIDTH - 1u], w_pair_y[WIDTH - 1u]), p);
  }
  let before = difference64(sum, own);
  if (less64(before, wanted) && !less64(sum, wanted)) {
    let left = difference64(wanted, before);
    w_found = vec3(lane, left.x, left.y);
  }
  return workgroupUniformLoad(&w_found);
}

// The bins over all tokens of row i, as `distances` left them.
fn load_bins(i: u32, lane: u32) {
  for (var word = lane; word < 2u * BINS; word += WIDTH) {
    atomicStore(&w_bins[word], atomicLoad(&histogram[i * HISTOGRAM_WORDS + word]));
  }
  workgroupBarrier();
}
