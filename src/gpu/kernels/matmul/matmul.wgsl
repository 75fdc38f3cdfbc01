// y[m][n] = Σ_k W[n][k]·x[m][k] for the rows of a prompt chunk; HALVES = 2: y[m][n] = gelu(W[n]·x[m])·(W[n + VALUES]·x[m]).
// x: [rows][COLUMNS], y: [rows][OUTPUT_STRIDE]. A workgroup of 16 × 16 makes a tile of 64 rows × TILE_N weight rows, 16 columns at a step,
// with the weights dequantized into workgroup memory; an invocation makes 4 × TILE_N/16 sums. Workgroup z takes the z-th of SPLITS runs of
// columns, and y is [SPLITS][rows][OUTPUT_STRIDE]. Every sum runs over k in order by madd, so a row's bits do not depend on the rows
// beside it or on the size of the chunk.

const TILE_M = 64u;
const SUMS = TILE_N / 16u; // sums of an invocation for each of its four rows
// Five vec4 for the four of 16 columns: rows then start in different banks.
const STRIDE = 5u;
const GROUPS = COLUMNS / 16u;
const SPLIT_GROUPS = (GROUPS + SPLITS - 1u) / SPLITS;

var<workgroup> tile_x: array<vec4<f32>, TILE_M * STRIDE>;
var<workgroup> tile_w: array<vec4<f32>, TILE_N * STRIDE>;

// The row of W behind column c of the tile: with two halves, the tile holds 64 gate rows, then their 64 up rows.
fn weight_row(tile: u32, c: u32) -> u32 {
  if (HALVES == 1u) {
    return min(tile * TILE_N + c, VALUES - 1u);
  }
  let n = min(tile * (TILE_N / 2u) + c % (TILE_N / 2u), VALUES - 1u);
  return n + (c / (TILE_N / 2u)) * VALUES;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let tx = local % 16u;
  let ty = local / 16u;
  let first_m = workgroup.y * TILE_M;

  let load_m = min(first_m + local / 4u, batch.row_count - 1u);
  let load_x = load_m * GROUPS * 4u + local % 4u;
  let store_x = (local / 4u) * STRIDE + local % 4u;
  let load_w = weight_row(workgroup.x, local % TILE_N) * GROUPS;

  let begin = workgroup.z * SPLIT_GROUPS;
  let end = min(begin + SPLIT_GROUPS, GROUPS);
  var next_x = input[load_x + begin * 4u];
  var next_w = load16(load_w + begin);

  var sums: array<array<f32, SUMS>, 4>;
  for (var index = begin; index < end; index++) {
    workgroupBarrier();
    tile_x[store_x] = next_x;
    if (local < TILE_N) {
      for (var q = 0u; q < 4u; q++) {
        tile_w[local * STRIDE + q] = next_w[q];
      }
    }
    workgroupBarrier();
    // The next columns are on their way while these are multiplied.
    let next = min(index + 1u, end - 1u);
    next_x = input[load_x + next * 4u];
    if (local < TILE_N) {
      next_w = load16(load_w + next);
    }
    for (var q = 0u; q < 4u; q++) {
      var x: array<vec4<f32>, 4>;
      for (var i = 0u; i < 4u; i++) {
        x[i] = tile_x[(ty + i * 16u) * STRIDE + q];
      }
      for (var j = 0u; j < SUMS; j++) {
        let w = tile_w[(tx + j * 16u) * STRIDE + q];
        for (var i = 0u; i < 4u; i++) {
          sums[i][j] = madd(w.w, x[i].w, madd(w.z, x[i].z, madd(w.y, x[i].y, madd(w.x, x[i].x, sums[i][j]))));
        }
      }
    }
  }

  for (var i = 0u; i < 4u; i++) {
    let m = first_m + ty + i * 16u;
    if (m < batch.row_count) {
      let at = (workgroup.z * batch.row_count + m) * OUTPUT_STRIDE + OUTPUT_OFFSET;
      if (HALVES == 1u) {
        for (var j = 0u; j < SUMS; j++) {
          let n = workgroup.x * TILE_N + tx + j * 16u;
          if (n < VALUES) {
            output[at + n] = sums[i][j];
          }
        }
      } else {
        for (var j = 0u; j < SUMS / 2u; j++) {
          let n = workgroup.x * (TILE_N / 2u) + tx + j * 16u;
          if (n < VALUES) {
            output[at + n] = gelu(sums[i][j]) * sums[i][j + SUMS / 2u];
          }
        }
      }
    }
  }
}
