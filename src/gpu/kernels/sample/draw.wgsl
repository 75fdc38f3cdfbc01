// The token of row i. Rows with top-k or top-p: the exact limits by radix selection over the candidate list (30 bits of distance,
// 8 at a time), then the race of those within. Other rows: the first of their partials, as in finish.wgsl. A workgroup a row.
// Leaves scratch and histogram zero. keys, scratch: [rows][vocabulary]; see commit.wgsl for the outputs.

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<uniform> batch: Batch;
@group(0) @binding(2) var<storage, read> rows: array<Row>;
@group(0) @binding(3) var<storage, read> keys: array<u32>;
@group(0) @binding(4) var<storage, read> partials: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> slots: array<Slot>;
@group(0) @binding(6) var<storage, read_write> histogram: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> scratch: array<u32>;
@group(0) @binding(8) var<storage, read_write> results: array<u32>;

// How the row is chosen, copied where loads are uniform: `slots` is written here.
struct Choice {
  truncated: u32,
  top_k: u32, // 0: off
  top_p: f32,
  length: u32, // of the candidate list
}
var<workgroup> w_choice: Choice;

// Puts the candidates up to `limit` whose upper bits are `prefix` into the bins of their next 8 bits, as tokens or as mass.
// Distances stand at the upper end of 32 bits here, so that all four levels have 8.
fn fill_bins(i: u32, lane: u32, level: u32, prefix: u32, limit: u32, by_mass: bool) {
  let shift = 24u - 8u * level;
  clear_bins(lane);
  for (var j = lane; j < w_choice.length; j += WIDTH) {
    let distance = keys[i * sizes.vocabulary + scratch[i * sizes.vocabulary + j]];
    let bits = (distance << 2u) >> shift;
    if (distance <= limit && (level == 0u || (bits >> 8u) == prefix)) {
      add_to_bin(bits & 255u, select(1u, mass_of(distance), by_mass));
    }
  }
  workgroupBarrier();
}

// The greatest distance that top-k and top-p leave in. Steps 0 to 3 find it for the first of the two among all tokens, 8 bits at
// a time; with both, steps 4 to 7 find top-p's among the tokens that top-k leaves.
fn find_limit(i: u32, lane: u32, choice: Choice) -> u32 {
  let steps = select(4u, 8u, choice.top_k > 0u && choice.top_p < 1.0);
  var limit = OUT - 1u;
  var prefix = 0u;
  var goal = vec2(choice.top_k, 0u);
  for (var step = 0u; step < steps; step++) {
    let level = step % 4u;
    let by_mass = choice.top_k == 0u || step >= 4u;
    if (step == 0u) {
      load_bins(i, lane);
    } else {
      fill_bins(i, lane, level, prefix, limit, by_mass);
    }
    let found = find_bin(lane, goal, select(1.0, choice.top_p, by_mass && level == 0u));
    if (found.x == OUT) {
      step += 3u; // the goal is beyond all tokens: they all stay
      continue;
    }
    prefix = (prefix << 8u) | found.x;
    goal = found.yz;
    if (level == 3u) {
      limit = prefix >> 2u;
      prefix = 0u;
    }
  }
  return limit;
}

fn draw(i: u32, lane: u32, choice: Choice) -> vec2<u32> {
  let row = rows[batch.head_row + i];
  let limit = find_limit(i, lane, choice);
  let least = least_mass(slots[row.slot].min_p);
  var best = NONE;
  for (var j = lane; j < choice.length; j += WIDTH) {
    let id = scratch[i * sizes.vocabulary + j];
    let distance = keys[i * sizes.vocabulary + id];
    if (distance <= limit && mass_of(distance) >= least) {
      best = first_of(best, race(slots[row.slot].seed, row.position, id, distance));
    }
    scratch[i * sizes.vocabulary + j] = 0u;
  }
  for (var word = lane; word < HISTOGRAM_WORDS; word += WIDTH) {
    atomicStore(&histogram[i * HISTOGRAM_WORDS + word], 0u);
  }
  return first_of_workgroup(lane, best);
}

@compute @workgroup_size(WIDTH)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = workgroup.x;
  if (lane == 0u) {
    let slot = rows[batch.head_row + i].slot;
    w_choice.truncated = select(0u, 1u, is_truncated(slot));
    w_choice.top_k = top_k_of(slot);
    w_choice.top_p = slots[slot].top_p;
    w_choice.length = atomicLoad(&histogram[i * HISTOGRAM_WORDS + LIST_LENGTH]);
  }
  let choice = workgroupUniformLoad(&w_choice);
  var token: vec2<u32>;
  if (choice.truncated == 1u) {
    token = draw(i, lane, choice);
  } else {
    token = first_partial(i, lane);
  }
  if (lane == 0u) {
    commit(i, token);
  }
}
