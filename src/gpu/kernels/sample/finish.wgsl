// The token of row i is the first of partials[i][0 … chunks − 1]. A workgroup a row. See commit.wgsl for the outputs.

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<uniform> batch: Batch;
@group(0) @binding(2) var<storage, read> rows: array<Row>;
@group(0) @binding(3) var<storage, read> partials: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read_write> slots: array<Slot>;
@group(0) @binding(5) var<storage, read_write> results: array<u32>;

@compute @workgroup_size(WIDTH)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let choice = first_partial(workgroup.x, lane);
  if (lane == 0u) {
    commit(workgroup.x, choice);
  }
}
