// y[r][n] = Σ_k W[n][k]·x[r][k] for up to ROWS rows, 4 or 8, in one reading of W; HALVES = 2: y[r][n] = gelu(W[n]·x[r])·(W[n + VALUES]·x[r]).
// A team of LANES invocations computes OUTPUTS values of n, SUMS = OUTPUTS·HALVES sums, 16 columns at a step, ROW_QUADS times four rows in the lanes
// of a vec4. A row's products are
// added in the order of matvec.wgsl. Rows from the batch's last on are computed with whatever stands there, and not written.
alias Sum = vec4<f32>;

const GROUPS = COLUMNS / 16u;
const TEAMS = WORKGROUP / LANES;
const STEPS = (GROUPS + LANES - 1u) / LANES;

// Columns 16·index + 4·q … + 3, each as a vec4 of rows 4·h … 4·h + 3.
fn input_columns(index: u32, q: u32, h: u32) -> mat4x4<f32> {
  if (ARRANGED == 1u) {
    let at = (4u * q * ROW_QUADS + h) * GROUPS + index;
    const NEXT = ROW_QUADS * GROUPS;
    return mat4x4<f32>(input[at], input[at + NEXT], input[at + 2u * NEXT], input[at + 3u * NEXT]);
  }
  let at = (4u * h * GROUPS + index) * 4u + q;
  const NEXT_ROW = GROUPS * 4u;
  return transpose(mat4x4<f32>(input[at], input[at + NEXT_ROW], input[at + 2u * NEXT_ROW], input[at + 3u * NEXT_ROW]));
}

fn add4(w: vec4<f32>, x: mat4x4<f32>, sum: vec4<f32>) -> vec4<f32> {
  let first = madd4(vec4<f32>(w.y), x[1], madd4(vec4<f32>(w.x), x[0], sum));
  return madd4(vec4<f32>(w.w), x[3], madd4(vec4<f32>(w.z), x[2], first));
}

fn gelu4(v: vec4<f32>) -> vec4<f32> {
  return vec4<f32>(gelu(v.x), gelu(v.y), gelu(v.z), gelu(v.w));
}

fn matvec(group: u32, block: u32, local: u32, keeps_input: bool) {
  let lane = local % LANES;
  let team = local / LANES;
  let first = group * TEAMS * OUTPUTS + team;

  // As in matvec.wgsl, the next weights are on their way while these are multiplied.
  var begins: array<u32, SUMS>;
  var stored: array<Stored, SUMS>;
  @unroll for (var s = 0u; s < SUMS; s++) {
    let n = min(first + s / HALVES * TEAMS, VALUES - 1u) + s % HALVES * VALUES;
    begins[s] = n * GROUPS;
    stored[s] = fetch16(begins[s] + min(lane, GROUPS - 1u));
  }
  var sums: array<array<vec4<f32>, ROW_QUADS>, SUMS>;
  for (var step = 0u; step < STEPS; step++) {
    let index = step * LANES + lane;
    var next: array<Stored, SUMS>;
    @unroll for (var s = 0u; s < SUMS; s++) {
      next[s] = fetch16(begins[s] + min(index + LANES, GROUPS - 1u));
    }
    if (index < GROUPS) {
      var w: array<array<vec4<f32>, 4>, SUMS>;
      @unroll for (var s = 0u; s < SUMS; s++) {
        w[s] = decode16(stored[s], begins[s] + index);
      }
      @unroll for (var q = 0u; q < 4; q++) {
        @unroll for (var h = 0u; h < ROW_QUADS; h++) {
          let x = input_columns(index, q, h);
          @unroll for (var s = 0u; s < SUMS; s++) {
            sums[s][h] = add4(w[s][q], x, sums[s][h]);
          }
        }
      }
    }
    stored = next;
  }

  @unroll for (var h = 0u; h < ROW_QUADS; h++) {
    @unroll for (var o = 0u; o < OUTPUTS; o++) {
      let n = first + o * TEAMS;
      var value = team_sum(sums[o * HALVES][h], local);
      if (HALVES == 2u) {
        value = gelu4(value) * team_sum(sums[o * HALVES + HALVES - 1u][h], local);
      }
      if (lane == 0u && n < VALUES) {
        let column = OUTPUT_OFFSET + n;
        for (var r = 0u; r < 4u; r++) {
          let row = 4u * h + r;
          if (row < batch.row_count) {
            let arranged = arranged_at(column, row, OUTPUT_STRIDE / 16u);
            output[select(row * OUTPUT_STRIDE + column, arranged, OUTPUT_ARRANGED == 1u)] = value[r];
          }
        }
      }
    }
  }
}
