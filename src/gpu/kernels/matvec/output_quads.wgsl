// Where matvec.wgsl's y[n] of a row goes: arranged (arranged.wgsl), four columns at a time, since a kernel that reads quads cannot have the same
// buffer written by elements beside it. A workgroup makes neighbouring columns, a multiple of four, one a team (OUTPUTS is 1).
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>; // [rows][OUTPUT_STRIDE / 4]

var<workgroup> team_outputs: array<f32, WORKGROUP / LANES>;

fn write_output(row: u32, n: u32, value: f32, local: u32) {
  let team = local / LANES;
  if (local % LANES == 0u) {
    team_outputs[team] = value;
  }
  workgroupBarrier();
  if (local % LANES == 0u && team % 4u == 0u && n < VALUES && row < batch.row_count) {
    let at = arranged_at(OUTPUT_OFFSET + n, 0u, OUTPUT_STRIDE / 16u) / 4u;
    output[row * (OUTPUT_STRIDE / 4u) + at] =
      vec4<f32>(team_outputs[team], team_outputs[team + 1u], team_outputs[team + 2u], team_outputs[team + 3u]);
  }
}
