// Per head of one row: RMSNorm over HEAD_DIM with the effective q_norm or k_norm weight, then RoPE (i pairs with i + HEAD_DIM/2); q is
// multiplied by the query scale and stays f32, k and v go to the cache as packed halves. A workgroup a row and head.
// qkv: [rows][(HEADS + 2·KV_HEADS)·HEAD_DIM]; angles: [position][HEAD_DIM/2] (cos, sin); keys, values: [entry][KV_HEADS][HEAD_DIM/2].
@group(0) @binding(0) var<storage, read> rows: array<Row>;
@group(0) @binding(1) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(2) var<storage, read> q_norm: array<f32>;
@group(0) @binding(3) var<storage, read> k_norm: array<f32>;
@group(0) @binding(4) var<storage, read> angles: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read> table: array<u32>;
@group(0) @binding(6) var<storage, read_write> keys: array<u32>;
@group(0) @binding(7) var<storage, read_write> values: array<u32>;

const HALF = HEAD_DIM / 2u;

var<workgroup> partials: array<f32, WORKGROUP>; // WORKGROUP is a power of two
var<workgroup> rotated: array<f32, HEAD_DIM>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let head = workgroup.x;
  let row = rows[workgroup.y];
  let at = (workgroup.y * (HEADS + 2u * KV_HEADS) + head) * HEAD_DIM;
  let is_value = head >= HEADS + KV_HEADS;

  var squares = 0.0;
  for (var i = local; i < HEAD_DIM; i += WORKGROUP) {
    squares = madd(qkv[at + i], qkv[at + i], squares);
  }
  partials[local] = squares;
  for (var step = WORKGROUP / 2u; step > 0u; step >>= 1u) {
    workgroupBarrier();
    if (local < step) {
      partials[local] += partials[local + step];
    }
  }
  workgroupBarrier();
  let factor = inverseSqrt(partials[0] / f32(HEAD_DIM) + F_EPSILON);

  for (var i = local; i < HALF; i += WORKGROUP) {
    let a = qkv[at + i];
    let b = qkv[at + i + HALF];
    if (is_value) {
      rotated[i] = a;
      rotated[i + HALF] = b;
    } else {
      let is_query = head < HEADS;
      let normed_a = a * factor * select(k_norm[i], q_norm[i], is_query);
      let normed_b = b * factor * select(k_norm[i + HALF], q_norm[i + HALF], is_query);
      let angle = angles[row.position * HALF + i];
      rotated[i] = madd(normed_a, angle.x, -(normed_b * angle.y));
      rotated[i + HALF] = madd(normed_b, angle.x, normed_a * angle.y);
    }
  }
  workgroupBarrier();

  if (head < HEADS) {
    for (var i = local; i < HEAD_DIM; i += WORKGROUP) {
      qkv[at + i] = rotated[i] * F_QUERY_SCALE;
    }
    return;
  }
  let entry = cache_entry(table[table_index(row.slot, row.position)], row.position);
  let target_row = (entry * KV_HEADS + (head - HEADS) % KV_HEADS) * HALF;
  for (var i = local; i < HALF; i += WORKGROUP) {
    let word = pack2x16float(vec2<f32>(rotated[2u * i], rotated[2u * i + 1u]));
    if (is_value) {
      values[target_row + i] = word;
    } else {
      keys[target_row + i] = word;
    }
  }
}
