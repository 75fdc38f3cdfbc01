// keys[i][id] = key of the logit after mask and penalties, and the likeliest token of each chunk as in argmax.wgsl.
//   l' = (l > 0 ? l / r : l · r) − presence − frequency · count        for tokens with count > 0 in the penalty window
// r is the repetition penalty as in Keskar et al. 2019 and Hugging Face, presence and frequency as in OpenAI's API.
// mask: [slots][⌈vocabulary / 32⌉]; logits, scratch, keys: [rows][vocabulary]; partials: [rows][chunks]. scratch holds the counts
// and is left zero. Workgroups: [chunks, rows].

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<uniform> batch: Batch;
@group(0) @binding(2) var<storage, read> rows: array<Row>;
@group(0) @binding(3) var<storage, read> slots: array<Slot>;
@group(0) @binding(4) var<storage, read> mask: array<u32>;
@group(0) @binding(5) var<storage, read> logits: array<f32>;
@group(0) @binding(6) var<storage, read_write> scratch: array<u32>;
@group(0) @binding(7) var<storage, read_write> keys: array<u32>;
@group(0) @binding(8) var<storage, read_write> partials: array<vec2<u32>>;

fn penalized(slot: u32, key: u32, count: u32) -> u32 {
  let logit = logit_of(key);
  let factor = select(slots[slot].repetition_penalty, slots[slot].inverse_repetition_penalty, logit > 0.0);
  let amount = slots[slot].presence_penalty + slots[slot].frequency_penalty * f32(count);
  return key_of(logit * factor - amount);
}

@compute @workgroup_size(WIDTH)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = workgroup.y;
  let slot = rows[batch.head_row + i].slot;
  let use_mask = slots[slot].use_mask != 0u;
  let penalize = has_penalties(slot);
  var best = NONE;
  for (var k = 0u; k < CHUNK / WIDTH; k++) {
    let id = workgroup.x * CHUNK + k * WIDTH + lane;
    if (id < sizes.vocabulary) {
      let at = i * sizes.vocabulary + id;
      var key = key_of(logits[at]);
      if (penalize) {
        let count = scratch[at];
        if (count > 0u) {
          key = penalized(slot, key, count);
          scratch[at] = 0u;
        }
      }
      if (use_mask && ((mask[slot * sizes.mask_words + id / 32u] >> (id % 32u)) & 1u) == 0u) {
        key = FORBIDDEN;
      }
      keys[at] = key;
      best = first_of(best, vec2(~key, id));
    }
  }
  best = first_of_workgroup(lane, best);
  if (lane == 0u) {
    partials[i * sizes.chunks + workgroup.x] = best;
  }
}
