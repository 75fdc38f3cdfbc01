// What matmul.wgsl computes, on subgroup matrices of f16 with sums in f32. A number is two f16, v = high + low/2048, 22 of the 24 bits of an f32, so that
// W·x = Wh·xh + (Wh·xl + Wl·xh)/2048 but for a term below 2⁻²². Sums with and without the factor are kept apart, so that low parts are as large as
// high ones (Ootomo and Yokota, arXiv:2203.03341). x is divided and W multiplied by 64: |x| up to 4·10⁶ and |W| up to 1,000 have an f16, and the step of an x is
// never below 2⁻²⁹, which counts in rows all below 10⁻³.
// A workgroup of 8 subgroups of 32 makes a tile of 64 rows × TILE_N weight rows, 32 columns at a step; a subgroup makes 16·STACKED rows × 32. With two
// halves every other 16 of the tile's weight rows are upper ones, so that an invocation has both of what it multiplies.

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sums = subgroup_matrix_result<f32, 16, 16>;

const TILE_M = 64u;
const ACROSS = TILE_N / 32u; // subgroups side by side
const GROUPS = COLUMNS / 16u;
const SPLIT_GROUPS = (GROUPS + SPLITS - 1u) / SPLITS;
const SCALE = 64.0f;
const LOW = 2048.0f;
// Two more vec4 than the eight of 32 columns: rows then start in different banks. A matrix is loaded from vec4, with offsets and strides in those: by
// single f16 it would be written in four times as many stores.
const STRIDE = 10u;

var<workgroup> x_high: array<vec4<f16>, TILE_M * STRIDE>;
var<workgroup> x_low: array<vec4<f16>, TILE_M * STRIDE>;
var<workgroup> w_high: array<vec4<f16>, TILE_N * STRIDE>;
var<workgroup> w_low: array<vec4<f16>, TILE_N * STRIDE>;
// A matrix of sums of each subgroup, on its way to the invocations.
var<workgroup> passed: array<f32, 8u * 256u>;

// v to 11 bits, by hand: compilers take f32(f16(v)) for v, and pack and unpack for nothing.
fn high_part(v: vec4<f32>) -> vec4<f32> {
  return bitcast<vec4<f32>>((bitcast<vec4<u32>>(v) + 0x1000u) & vec4<u32>(0xffffe000u));
}

// The same for x, whose rows may be small throughout: below 2⁻¹⁴ an f16 has steps of 2⁻²⁴.
fn high_part_of_any(v: vec4<f32>) -> vec4<f32> {
  let steps = vec4<f32>(vec4<i32>(v * 0x1p24f)) * 0x1p-24f;
  return select(high_part(v), steps, abs(v) < vec4<f32>(0x1p-14f));
}

// The row of W behind row c of the tile.
fn weight_row(tile: u32, c: u32) -> u32 {
  if (HALVES == 1u) {
    return min(tile * TILE_N + c, VALUES - 1u);
  }
  let n = min(tile * (TILE_N / 2u) + c / 32u * 16u + c % 16u, VALUES - 1u);
  return n + c / 16u % 2u * VALUES;
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let first_m = workgroup.y * TILE_M;
  let begin = workgroup.z * SPLIT_GROUPS;
  let end = min(begin + SPLIT_GROUPS, GROUPS);

  // An invocation loads 8 columns of x and, if it is among the first 2·TILE_N, 16 of W.
  let load_m = min(first_m + local / 4u, batch.row_count - 1u);
  let group_x = local % 4u / 2u;
  let load_x = load_m * GROUPS * 4u + local % 2u * 2u;
  let store_x = local / 4u * STRIDE + local % 4u * 2u;
  let row_w = (local / 32u * 16u + local % 16u) % TILE_N;
  let group_w = local / 16u % 2u;
  let load_w = weight_row(workgroup.x, row_w) * GROUPS;
  let store_w = row_w * STRIDE + group_w * 4u;
  let begin_x = load_x + min(begin + group_x, end - 1u) * 4u;
  var next_x = array<vec4<f32>, 2>(input[begin_x], input[begin_x + 1u]);
  var next_w = load16(load_w + min(begin + group_w, end - 1u));

  let m_in_tile = subgroup / ACROSS * STACKED * 16u;
  let n_in_tile = subgroup % ACROSS * 32u;
  var high: array<Sums, STACKED * 2u>;
  var low: array<Sums, STACKED * 2u>;
  for (var index = begin; index < end; index += 2u) {
    workgroupBarrier();
    @unroll for (var q = 0u; q < 2u; q++) {
      let v = select(vec4<f32>(), next_x[q], index + group_x < end) / SCALE;
      let h = high_part_of_any(v);
      x_high[store_x + q] = vec4<f16>(h);
      x_low[store_x + q] = vec4<f16>((v - h) * LOW);
    }
    if (local < 2u * TILE_N) {
      @unroll for (var q = 0u; q < 4u; q++) {
        let v = select(vec4<f32>(), next_w[q], index + group_w < end) * SCALE;
        let h = high_part(v);
        w_high[store_w + q] = vec4<f16>(h);
        w_low[store_w + q] = vec4<f16>((v - h) * LOW);
      }
    }
    workgroupBarrier();
    // The next columns are on their way while these are multiplied.
    let at_x = load_x + min(index + 2u + group_x, end - 1u) * 4u;
    next_x = array<vec4<f32>, 2>(input[at_x], input[at_x + 1u]);
    if (local < 2u * TILE_N) {
      next_w = load16(load_w + min(index + 2u + group_w, end - 1u));
    }
    @unroll for (var k = 0u; k < 2u; k++) {
      var wh: array<Right, 2>;
      var wl: array<Right, 2>;
      @unroll for (var j = 0u; j < 2u; j++) {
        let at = (n_in_tile + j * 16u) * STRIDE + k * 4u;
        wh[j] = subgroupMatrixLoad<Right, col_major>(&w_high, at, STRIDE);
        wl[j] = subgroupMatrixLoad<Right, col_major>(&w_low, at, STRIDE);
      }
      @unroll for (var i = 0u; i < STACKED; i++) {
        let at = (m_in_tile + i * 16u) * STRIDE + k * 4u;
        let xh = subgroupMatrixLoad<Left, row_major>(&x_high, at, STRIDE);
        let xl = subgroupMatrixLoad<Left, row_major>(&x_low, at, STRIDE);
        @unroll for (var j = 0u; j < 2u; j++) {
          high[i * 2u + j] = subgroupMatrixMultiplyAccumulate(xh, wh[j], high[i * 2u + j]);
          low[i * 2u + j] = subgroupMatrixMultiplyAccumulate(xl, wh[j], low[i * 2u + j]);
          low[i * 2u + j] = subgroupMatrixMultiplyAccumulate(xh, wl[j], low[i * 2u + j]);
        }
      }
    }
  }

  // An invocation takes 8 columns of a row of each matrix.
  let own = subgroup * 256u;
  let at_own = own + lane * 8u;
  @unroll for (var i = 0u; i < STACKED; i++) {
    var sums: array<array<f32, 8>, 2>;
    @unroll for (var j = 0u; j < 2u; j++) {
      workgroupBarrier();
      subgroupMatrixStore<row_major>(&passed, own, low[i * 2u + j], 16u);
      workgroupBarrier();
      @unroll for (var e = 0u; e < 8u; e++) {
        sums[j][e] = passed[at_own + e] / LOW;
      }
      workgroupBarrier();
      subgroupMatrixStore<row_major>(&passed, own, high[i * 2u + j], 16u);
      workgroupBarrier();
      @unroll for (var e = 0u; e < 8u; e++) {
        sums[j][e] += passed[at_own + e];
      }
    }
    let m = first_m + m_in_tile + i * 16u + lane / 2u;
    let n_in_matrix = lane % 2u * 8u;
    if (m < batch.row_count) {
      let at = (workgroup.z * batch.row_count + m) * OUTPUT_STRIDE + OUTPUT_OFFSET;
      if (HALVES == 1u) {
        @unroll for (var j = 0u; j < 2u; j++) {
          let n = workgroup.x * TILE_N + n_in_tile + j * 16u + n_in_matrix;
          @unroll for (var e = 0u; e < 8u; e++) {
            if (n + e < VALUES) {
              output[at + n + e] = sums[j][e];
            }
          }
        }
      } else {
        let n = workgroup.x * (TILE_N / 2u) + n_in_tile / 2u + n_in_matrix;
        @unroll for (var e = 0u; e < 8u; e++) {
          if (n + e < VALUES) {
            output[at + n + e] = gelu(sums[0][e]) * sums[1][e];
          }
        }
      }
    }
  }
}
