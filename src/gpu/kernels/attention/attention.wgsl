// softmax(q·Kᵀ)·V for one row and head, over blocks of 64 positions with a running maximum.
// Query q sees key k iff 0 ≤ q − k (< WINDOW, if WINDOW is not 0). Blocks stand at absolute positions and are visited in order, so
// a row's bits depend on its position alone.
//   BLOCKS_PER_SPLIT = 0: all blocks, out: [rows][HEADS][HEAD_DIM] (prompt rows)
//   otherwise workgroup z takes that many: out: [rows][HEADS][SPLITS][HEAD_DIM + 2], unnormalised, then maximum and sum (generated rows; reduce.wgsl)
// qkv: [rows][(HEADS + 2·KV_HEADS)·HEAD_DIM], q scaled; keys, values: [entry][KV_HEADS][HEAD_DIM/2] packed halves.
// An invocation takes one key of a block, then four dimensions of the values.
@group(0) @binding(0) var<storage, read> rows: array<Row>;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> table: array<u32>;
@group(0) @binding(3) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> values: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

const QUADS = HEAD_DIM / 4u;
const WORKGROUP = max(BLOCK_POSITIONS, QUADS);
const LOWEST = -3.0e38;

var<workgroup> query: array<vec4<f32>, QUADS>;
var<workgroup> weights: array<f32, BLOCK_POSITIONS>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let head = workgroup.x;
  let kv_head = head / (HEADS / KV_HEADS);
  let row_index = workgroup.y;
  let row = rows[row_index];

  var first_key = 0u;
  if (WINDOW > 0u && row.position + 1u > WINDOW) {
    first_key = row.position + 1u - WINDOW;
  }
  var block = first_key / BLOCK_POSITIONS;
  var end_block = row.position / BLOCK_POSITIONS + 1u;
  if (BLOCKS_PER_SPLIT > 0u) {
    block += workgroup.z * BLOCKS_PER_SPLIT;
    end_block = min(end_block, block + BLOCKS_PER_SPLIT);
  }

  if (local < QUADS) {
    query[local] = qkv[(row_index * (HEADS + 2u * KV_HEADS) + head) * QUADS + local];
  }
  workgroupBarrier();

  var highest = LOWEST;
  var total = 0.0;
  var sum = vec4<f32>();
  for (; block < end_block; block++) {
    let block_start = block * BLOCK_POSITIONS;
    let begin = max(first_key, block_start) - block_start;
    let end = min(row.position + 1u, block_start + BLOCK_POSITIONS) - block_start;
    let entry = cache_entry(table[table_index(row.slot, block_start)], block_start);

    var score = LOWEST;
    if (local >= begin && local < end) {
      let at = ((entry + local) * KV_HEADS + kv_head) * (QUADS / 2u);
      var products = vec4<f32>();
      for (var c = 0u; c < QUADS / 2u; c++) {
        let packed = keys[at + c];
        let low = vec4<f32>(unpack2x16float(packed.x), unpack2x16float(packed.y));
        let high = vec4<f32>(unpack2x16float(packed.z), unpack2x16float(packed.w));
        products = madd4(query[2u * c + 1u], high, madd4(query[2u * c], low, products));
      }
      score = (products.x + products.y) + (products.z + products.w);
    }
    if (local < BLOCK_POSITIONS) {
      weights[local] = score;
    }
    workgroupBarrier();

    let before = highest;
    for (var k = begin; k < end; k++) {
      highest = max(highest, weights[k]);
    }
    workgroupBarrier();
    if (local < BLOCK_POSITIONS) {
      weights[local] = exp(score - highest);
    }
    workgroupBarrier();

    let rescale = exp(before - highest);
    total *= rescale;
    sum *= rescale;
    let quad = min(local, QUADS - 1u);
    for (var k = begin; k < end; k++) {
      let packed = values[((entry + k) * KV_HEADS + kv_head) * QUADS + quad];
      let value = vec4<f32>(unpack2x16float(packed.x), unpack2x16float(packed.y));
      sum = madd4(vec4<f32>(weights[k]), value, sum);
      total += weights[k];
    }
    workgroupBarrier();
  }

  if (local >= QUADS) {
    return;
  }
  let place = row_index * HEADS + head;
  if (BLOCKS_PER_SPLIT == 0u) {
    let at = place * HEAD_DIM + local * 4u;
    for (var i = 0u; i < 4u; i++) {
      out[at + i] = sum[i] / total;
    }
  } else {
    let at = (place * SPLITS + workgroup.z) * (HEAD_DIM + 2u);
    for (var i = 0u; i < 4u; i++) {
      out[at + local * 4u + i] = sum[i];
    }
    if (local == 0u) {
      out[at + HEAD_DIM] = highest;
      out[at + HEAD_DIM + 1u] = total;
    }
  }
}
