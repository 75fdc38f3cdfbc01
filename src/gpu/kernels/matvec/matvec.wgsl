// y[r][n] = Σ_k W[n][k]·x[r][k], ROWS rows of x at a time (workgroup z takes the z-th ROWS of them); HALVES = 2: y[r][n] = gelu(W[n]·x[r])·(W[n + outputs]·x[r]).
// x: [rows][COLUMNS], y: [rows][output_stride]. A team of LANES invocations computes OUTPUTS values of n, 16 columns at a step.
// Where x comes from is another file's: `prepare_input` and `input_quad` (input.wgsl, norm/normed_input.wgsl, attention/joined_input.wgsl).
// A row's sums have the same order and the same roundings whatever ROWS and OUTPUTS are: every product is added into its own lane
// of its own accumulator.

const TEAMS = WORKGROUP / LANES;
const SUMS = OUTPUTS * HALVES;
const STEPS = (GROUPS + LANES - 1u) / LANES;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let lane = local % LANES;
  let team = local / LANES;
  let first = (workgroup.x + workgroup.y * workgroups.x) * TEAMS * OUTPUTS + team;
  let first_r = workgroup.z * ROWS;
  let input_row = first_r + select(0u, batch.head_row, FROM_HEAD_ROW == 1u);

  var weight_rows: array<u32, SUMS>;
  var w: array<array<vec4<f32>, 4>, SUMS>;
  for (var o = 0u; o < OUTPUTS; o++) {
    let n = min(first + o * TEAMS, params.outputs - 1u);
    for (var h = 0u; h < HALVES; h++) {
      weight_rows[o * HALVES + h] = (n + h * params.outputs) * GROUPS;
    }
  }
  // The first weights are on their way while the input is made.
  for (var s = 0u; s < SUMS; s++) {
    w[s] = load16(weight_rows[s] + min(lane, GROUPS - 1u));
  }
  prepare_input(first_r, local, workgroup.x + workgroup.y == 0u);

  var sums: array<array<vec4<f32>, ROWS>, SUMS>;
  for (var step = 0u; step < STEPS; step++) {
    let index = step * LANES + lane;
    if (index < GROUPS) {
      if (step > 0u) {
        for (var s = 0u; s < SUMS; s++) {
          w[s] = load16(weight_rows[s] + index);
        }
      }
      for (var r = 0u; r < ROWS; r++) {
        let x0 = input_quad(input_row + r, index, 0u);
        let x1 = input_quad(input_row + r, index, 1u);
        let x2 = input_quad(input_row + r, index, 2u);
        let x3 = input_quad(input_row + r, index, 3u);
        for (var s = 0u; s < SUMS; s++) {
          sums[s][r] = madd4(w[s][3], x3, madd4(w[s][2], x2, madd4(w[s][1], x1, madd4(w[s][0], x0, sums[s][r]))));
        }
      }
    }
  }

  for (var r = 0u; r < ROWS; r++) {
    for (var o = 0u; o < OUTPUTS; o++) {
      let n = first + o * TEAMS;
      let part = sums[o * HALVES][r];
      var value = team_sum((part.x + part.y) + (part.z + part.w), local);
      if (HALVES == 2u) {
        let up = sums[o * HALVES + HALVES - 1u][r];
        value = gelu(value) * team_sum((up.x + up.y) + (up.z + up.w), local);
      }
      if (lane == 0u && n < params.outputs && first_r + r < batch.row_count) {
        output[(first_r + r) * params.output_stride + params.output_offset + n] = value;
      }
    }
  }
}
