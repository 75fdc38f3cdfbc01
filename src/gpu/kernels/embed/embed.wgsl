// x[row] = E[token]·√hidden, and the row's place in the slot's history. A workgroup a row. A generated row takes its token and
// position from its slot, where the sampler of the step before left them. x: [rows][COLUMNS]; history: [slots][CONTEXT].
struct Params {
  first_token: u32, // of the part of E that is bound
  token_count: u32,
}

@group(0) @binding(0) var<uniform> batch: Batch;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> slots: array<Slot>;
@group(0) @binding(3) var<storage, read_write> rows: array<Row>;
@group(0) @binding(4) var<storage, read_write> history: array<u32>;
@group(0) @binding(5) var<storage, read_write> x: array<vec4<f32>>;

const GROUPS = COLUMNS / 16u;
const WORKGROUP = 64u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let r = workgroup.x;
  let slot = rows[r].slot;
  var token = rows[r].token;
  var position = rows[r].position;
  if (batch.generated == 1u) {
    token = slots[slot].token;
    position = slots[slot].position;
  }
  if (local == 0u) {
    rows[r].token = token;
    rows[r].position = position;
    history[slot * CONTEXT + position] = token;
  }
  if (token < params.first_token || token >= params.first_token + params.token_count) {
    return;
  }
  for (var index = local; index < GROUPS; index += WORKGROUP) {
    let w = load16((token - params.first_token) * GROUPS + index);
    for (var q = 0u; q < 4u; q++) {
      x[(r * GROUPS + index) * 4u + q] = w[q] * F_EMBEDDING_SCALE;
    }
  }
}
