// y[r][n] = Σ_k W[n][k]·x[r][k], four rows of x at a time (workgroup z takes the z-th four); HALVES = 2:
// y[r][n] = gelu(W[n]·x[r])·(W[n + VALUES]·x[r]). x: [rows][COLUMNS], y: [rows][OUTPUT_STRIDE].
// An invocation makes one n alone: no barriers, no shuffles, no arrays. It is the version for CPU adapters, where an array index
// that is not constant costs a gather, and the one to fall back on where the others fail their known-answer test.

const GROUPS = COLUMNS / 16u;

// Columns 16·index … 16·index + 15 of row r, added to `sum`.
fn add16(w: array<vec4<f32>, 4>, r: u32, index: u32, sum: vec4<f32>) -> vec4<f32> {
  let at = (r * GROUPS + index) * 4u;
  return madd4(w[3], input[at + 3u], madd4(w[2], input[at + 2u], madd4(w[1], input[at + 1u], madd4(w[0], input[at], sum))));
}

fn total(sum: vec4<f32>) -> f32 {
  return (sum.x + sum.y) + (sum.z + sum.w);
}

// The products of weight row n with rows r … r + 3; rows from `end` on are left out.
fn products(n: u32, r: u32, end: u32) -> vec4<f32> {
  var a = vec4<f32>();
  var b = vec4<f32>();
  var c = vec4<f32>();
  var d = vec4<f32>();
  for (var index = 0u; index < GROUPS; index++) {
    let w = load16(n * GROUPS + index);
    a = add16(w, r, index, a);
    if (r + 1u < end) {
      b = add16(w, r + 1u, index, b);
    }
    if (r + 2u < end) {
      c = add16(w, r + 2u, index, c);
    }
    if (r + 3u < end) {
      d = add16(w, r + 3u, index, d);
    }
  }
  return vec4<f32>(total(a), total(b), total(c), total(d));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
  let n = id.x + id.y * workgroups.x * 64u;
  if (n >= VALUES) {
    return;
  }
  let first_r = id.z * 4u;
  let head_row = select(0u, batch.head_row, FROM_HEAD_ROW == 1u);
  // A prompt has one row from its head row on, a generated batch all of its rows.
  let row_count = batch.row_count - head_row;
  var value = products(n, head_row + first_r, head_row + row_count);
  if (HALVES == 2u) {
    let up = products(n + VALUES, head_row + first_r, head_row + row_count);
    value = vec4<f32>(gelu(value.x), gelu(value.y), gelu(value.z), gelu(value.w)) * up;
  }
  for (var i = 0u; i < min(4u, row_count - first_r); i++) {
    output[(first_r + i) * OUTPUT_STRIDE + OUTPUT_OFFSET + n] = value[i];
  }
}
