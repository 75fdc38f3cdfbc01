// RMSNorm of one row by a whole workgroup, with the residual around it:
//   ADD = 0: h = x·rsqrt(mean(x²) + ε)·w2
//   ADD = 1: x' = x + t·rsqrt(mean(t²) + ε)·w1, then h = x'·rsqrt(mean(x'²) + ε)·w2
// x (`input`), t (`branch`), x' (`residual`): [rows][COLUMNS]; norms: w1, then w2 at NORM_STRIDE, the effective factors; without ADD w2 alone.
// t is the sum of BRANCHES branches, each [rows of the batch][COLUMNS] after the other.
// x' goes to another buffer than x, since other workgroups may be reading x. `store_normed` takes h, four columns at a time.
// QUAD_STEPS: quads of an invocation, of a workgroup of WORKGROUP.
const QUADS = COLUMNS / 4u;

fn norm_scale(squares: f32) -> f32 {
  return inverseSqrt(squares / f32(COLUMNS) + F_EPSILON);
}

fn squares_of(v: vec4<f32>, sum: f32) -> f32 {
  return madd(v.x, v.x, madd(v.y, v.y, madd(v.z, v.z, madd(v.w, v.w, sum))));
}

fn norm_row(row: u32, local: u32, keeps_residual: bool) {
  // All that is read is on its way at once: the rest is a chain of sums.
  var x: array<vec4<f32>, QUAD_STEPS>;
  var t: array<vec4<f32>, QUAD_STEPS>;
  var w1: array<vec4<f32>, QUAD_STEPS>;
  var w2: array<vec4<f32>, QUAD_STEPS>;
  @unroll for (var step = 0u; step < QUAD_STEPS; step++) {
    let i = min(step * WORKGROUP + local, QUADS - 1u);
    x[step] = input[row * QUADS + i];
    w2[step] = norms[ADD * NORM_STRIDE + i];
    if (ADD == 1u) {
      w1[step] = norms[i];
      t[step] = branch[row * QUADS + i];
      for (var b = 1u; b < BRANCHES; b++) {
        t[step] += branch[(b * batch.row_count + row) * QUADS + i];
      }
    }
  }
  if (ADD == 1u) {
    var squares = 0.0;
    @unroll for (var step = 0u; step < QUAD_STEPS; step++) {
      if (step * WORKGROUP + local < QUADS) {
        squares = squares_of(t[step], squares);
      }
    }
    let factor = norm_scale(workgroup_sum(vec2<f32>(squares, 0.0), local).x);
    @unroll for (var step = 0u; step < QUAD_STEPS; step++) {
      let i = step * WORKGROUP + local;
      x[step] = madd4(t[step] * factor, w1[step], x[step]);
      if (i < QUADS && keeps_residual) {
        residual[row * QUADS + i] = x[step];
      }
    }
  }
  var squares = 0.0;
  @unroll for (var step = 0u; step < QUAD_STEPS; step++) {
    if (step * WORKGROUP + local < QUADS) {
      squares = squares_of(x[step], squares);
    }
  }
  let factor = norm_scale(workgroup_sum(vec2<f32>(squares, 0.0), local).x);
  @unroll for (var step = 0u; step < QUAD_STEPS; step++) {
    let i = step * WORKGROUP + local;
    if (i < QUADS) {
      store_normed(row, i, x[step] * factor * w2[step]);
    }
  }
}
