// partials[i][c] = (order, id) of the likeliest token of chunk c of row i, for rows that need nothing but the argmax.
// logits: [rows][vocabulary]; partials: [rows][chunks]. Workgroups: [chunks, rows]. `finish` takes the first of a row's partials.

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<vec2<u32>>;

@compute @workgroup_size(WIDTH)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = workgroup.y;
  var best = NONE;
  for (var k = 0u; k < CHUNK / WIDTH; k++) {
    let id = workgroup.x * CHUNK + k * WIDTH + lane;
    if (id < sizes.vocabulary) {
      best = first_of(best, vec2(~key_of(logits[i * sizes.vocabulary + id]), id));
    }
  }
  best = first_of_workgroup(lane, best);
  if (lane == 0u) {
    partials[i * sizes.chunks + workgroup.x] = best;
  }
}
