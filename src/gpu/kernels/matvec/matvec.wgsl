// y[n] = Σ_k W[n][k]·x[k] for one row; HALVES = 2: y[n] = gelu(W[n]·x)·(W[n + VALUES]·x).
// A team of LANES invocations computes OUTPUTS values of n, SUMS = OUTPUTS·HALVES sums, 16 columns at a step. Where x comes from is another file's: `prepare_input` and
// `input_quad` (input.wgsl, norm/normed_input.wgsl, attention/joined_input.wgsl); and where y goes: `write_output` (write_output.wgsl, output_quads.wgsl). A lane adds its products in order of columns, as in
// matvec_rows.wgsl: a row's bits are the same alone and beside others.
alias Sum = f32;

const TEAMS = WORKGROUP / LANES;
const STEPS = (GROUPS + LANES - 1u) / LANES;

fn add4(w: vec4<f32>, x: vec4<f32>, sum: f32) -> f32 {
  return madd(w.w, x.w, madd(w.z, x.z, madd(w.y, x.y, madd(w.x, x.x, sum))));
}

fn matvec(group: u32, row: u32, local: u32, keeps_input: bool) {
  let lane = local % LANES;
  let team = local / LANES;
  let first = group * TEAMS * OUTPUTS + team;
  let input_row = row + select(0u, batch.head_row, FROM_HEAD_ROW == 1u);

  // The first weights are on their way while the input is made, and the next ones while these are multiplied: as they are stored, since
  // that takes fewer registers.
  var begins: array<u32, SUMS>;
  var stored: array<Stored, SUMS>;
  @unroll for (var s = 0u; s < SUMS; s++) {
    let n = min(first + s / HALVES * TEAMS, VALUES - 1u) + s % HALVES * VALUES;
    begins[s] = n * GROUPS;
    stored[s] = fetch16(begins[s] + min(lane, GROUPS - 1u));
  }
  prepare_input(row, local, keeps_input);

  var sums: array<f32, SUMS>;
  for (var step = 0u; step < STEPS; step++) {
    let index = step * LANES + lane;
    var next: array<Stored, SUMS>;
    @unroll for (var s = 0u; s < SUMS; s++) {
      next[s] = fetch16(begins[s] + min(index + LANES, GROUPS - 1u));
    }
    if (index < GROUPS) {
      let x0 = input_quad(input_row, index, 0u);
      let x1 = input_quad(input_row, index, 1u);
      let x2 = input_quad(input_row, index, 2u);
      let x3 = input_quad(input_row, index, 3u);
      @unroll for (var s = 0u; s < SUMS; s++) {
        let w = decode16(stored[s], begins[s] + index);
        sums[s] = add4(w[3], x3, add4(w[2], x2, add4(w[1], x1, add4(w[0], x0, sums[s]))));
      }
    }
    stored = next;
  }

  @unroll for (var o = 0u; o < OUTPUTS; o++) {
    let n = first + o * TEAMS;
    var value = team_sum(sums[o * HALVES], local);
    if (HALVES == 2u) {
      value = gelu(value) * team_sum(sums[o * HALVES + HALVES - 1u], local);
    }
    write_output(row, n, value, local);
  }
}
