// softmax(q·Kᵀ)·V for a row and a head, over blocks of 64 positions with a running maximum. A workgroup takes a split of the row's blocks.
// Query q sees key k iff 0 ≤ q − k (< WINDOW, if WINDOW is not 0). Blocks stand at absolute positions: a row's bits depend on its position.
//   GENERATED = 1: q, k and v are as the projections leave them. q and k get RMSNorm over HEAD_DIM with their effective weights, then RoPE (i
//   pairs with i + HEAD_DIM/2); q is scaled. The workgroup makes the row's own key and value itself, and one of those that need them
//   writes them to the cache. out: [rows][HEADS][SPLITS][HEAD_DIM/4 + 1]: the unnormalised sum, then (maximum, sum of weights, 0, 0), which
//   joined.wgsl joins.
//   GENERATED = 0: q is ready and the cache complete (rope.wgsl); SPLITS is 1 and out the result, [rows][HEADS][HEAD_DIM/4].
// qkv: [rows][(HEADS + 2·KV_HEADS)·HEAD_DIM]; norms: q's, then k's at NORM_STRIDE; angles: [position][HEAD_DIM/2] (cos, sin); keys, values:
// [entry][KV_HEADS][HEAD_DIM/2] packed halves.
@group(0) @binding(0) var<storage, read> rows: array<Row>;
@group(0) @binding(1) var<storage, read> qkv: array<f32>;
@group(0) @binding(2) var<storage, read> norms: array<f32>;
@group(0) @binding(3) var<storage, read> angles: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read> table: array<u32>;
@group(0) @binding(5) var<storage, read_write> keys: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read_write> values: array<vec2<u32>>;
@group(0) @binding(7) var<storage, read_write> out: array<vec4<f32>>;

alias Sum = f32; // of a team

const HALF = HEAD_DIM / 2u;
const QUADS = HEAD_DIM / 4u;
const CHUNKS = HEAD_DIM / 8u; // of a key, as it is read
const LANE_CHUNKS = CHUNKS / LANES;
const KEYS_AT_ONCE = WORKGROUP / LANES;
const VALUE_TEAMS = WORKGROUP / QUADS;
const TEAM_VALUES = (BLOCK_POSITIONS + VALUE_TEAMS - 1u) / VALUE_TEAMS;
const KEY_STEPS = (BLOCK_POSITIONS + KEYS_AT_ONCE - 1u) / KEYS_AT_ONCE;

var<workgroup> query: array<f32, HEAD_DIM>;
var<workgroup> turned_key: array<f32, HEAD_DIM>;
var<workgroup> own_key: array<vec4<u32>, CHUNKS>;
var<workgroup> weights: array<f32, BLOCK_POSITIONS>;
var<workgroup> sums: array<vec4<f32>, WORKGROUP>;
var<workgroup> totals: array<f32, WORKGROUP>;

fn query_quad(i: u32) -> vec4<f32> {
  return vec4<f32>(query[4u * i], query[4u * i + 1u], query[4u * i + 2u], query[4u * i + 3u]);
}

fn unpack4(packed: vec2<u32>) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(packed.x), unpack2x16float(packed.y));
}

fn own_value(v_at: u32, quad: u32) -> vec2<u32> {
  let at = v_at + quad * 4u;
  return vec2<u32>(
    pack2x16float(vec2<f32>(qkv[at], qkv[at + 1u])),
    pack2x16float(vec2<f32>(qkv[at + 2u], qkv[at + 3u])),
  );
}

// The row's query and key, normed, turned, the query scaled.
fn prepare(q_at: u32, k_at: u32, position: u32, local: u32) {
  var squares = vec2<f32>();
  for (var i = local; i < HEAD_DIM; i += WORKGROUP) {
    squares.x = madd(qkv[q_at + i], qkv[q_at + i], squares.x);
    squares.y = madd(qkv[k_at + i], qkv[k_at + i], squares.y);
  }
  squares = workgroup_sum(squares, local);
  let q_factor = inverseSqrt(squares.x / f32(HEAD_DIM) + F_EPSILON);
  let k_factor = inverseSqrt(squares.y / f32(HEAD_DIM) + F_EPSILON);
  for (var i = local; i < HALF; i += WORKGROUP) {
    let angle = angles[position * HALF + i];
    let q_a = qkv[q_at + i] * q_factor * norms[i];
    let q_b = qkv[q_at + i + HALF] * q_factor * norms[i + HALF];
    query[i] = madd(q_a, angle.x, -(q_b * angle.y)) * F_QUERY_SCALE;
    query[i + HALF] = madd(q_b, angle.x, q_a * angle.y) * F_QUERY_SCALE;
    let k_a = qkv[k_at + i] * k_factor * norms[NORM_STRIDE + i];
    let k_b = qkv[k_at + i + HALF] * k_factor * norms[NORM_STRIDE + i + HALF];
    turned_key[i] = madd(k_a, angle.x, -(k_b * angle.y));
    turned_key[i + HALF] = madd(k_b, angle.x, k_a * angle.y);
  }
  workgroupBarrier();
  for (var c = local; c < CHUNKS; c += WORKGROUP) {
    let at = c * 8u;
    own_key[c] = vec4<u32>(
      pack2x16float(vec2<f32>(turned_key[at], turned_key[at + 1u])),
      pack2x16float(vec2<f32>(turned_key[at + 2u], turned_key[at + 3u])),
      pack2x16float(vec2<f32>(turned_key[at + 4u], turned_key[at + 5u])),
      pack2x16float(vec2<f32>(turned_key[at + 6u], turned_key[at + 7u])),
    );
  }
  workgroupBarrier();
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let head = workgroup.x;
  let kv_head = head / (HEADS / KV_HEADS);
  let row_index = workgroup.y;
  let split = workgroup.z;
  let row = rows[row_index];
  let position = row.position;
  let extent = extent_of(position);
  if (split >= extent.splits) {
    return;
  }
  let qkv_at = row_index * (HEADS + 2u * KV_HEADS) * HEAD_DIM;
  let v_at = qkv_at + (HEADS + KV_HEADS + kv_head) * HEAD_DIM;

  let first_block = extent.first_block + split * extent.blocks_per_split;
  let end_block = min(position / BLOCK_POSITIONS + 1u, first_block + extent.blocks_per_split);

  let lane = local % LANES;
  let quad = local % QUADS;
  let value_team = local / QUADS;
  var value: vec2<u32>;
  var q: array<vec4<f32>, 2u * LANE_CHUNKS>;
  var key_words: array<vec4<u32>, KEY_STEPS * LANE_CHUNKS>;
  var value_words: array<vec2<u32>, TEAM_VALUES>;

  var highest = LOWEST;
  var total = 0.0;
  var sum = vec4<f32>();
  for (var block = first_block; block < end_block; block++) {
    let block_start = block * BLOCK_POSITIONS;
    let begin = max(extent.first_key, block_start) - block_start;
    let end = min(position + 1u, block_start + BLOCK_POSITIONS) - block_start;
    let entry = cache_entry(table[table_index(row.slot, block_start)], block_start);
    // Keys that are not seen are read elsewhere, and so is a generated row's own, which another workgroup may be writing: loads without a
    // condition are in flight together, and the first block's while the query is made.
    let has_own = GENERATED == 1u && block == position / BLOCK_POSITIONS;
    let own = select(BLOCK_POSITIONS, position - block_start, has_own);
    let elsewhere = (own + 1u) % BLOCK_POSITIONS;
    for (var step = 0u; step < KEY_STEPS; step++) {
      let k = step * KEYS_AT_ONCE + local / LANES;
      let cell = entry + select(elsewhere, k, k >= begin && k < end && k != own);
      for (var c = 0u; c < LANE_CHUNKS; c++) {
        key_words[step * LANE_CHUNKS + c] = keys[(cell * KV_HEADS + kv_head) * CHUNKS + c * LANES + lane];
      }
    }
    for (var i = 0u; i < TEAM_VALUES; i++) {
      let k = i * VALUE_TEAMS + value_team;
      let cell = entry + select(elsewhere, k, k >= begin && k < end && k != own);
      value_words[i] = values[(cell * KV_HEADS + kv_head) * QUADS + quad];
    }
    if (block == first_block) {
      if (GENERATED == 1u) {
        prepare(qkv_at + head * HEAD_DIM, qkv_at + (HEADS + kv_head) * HEAD_DIM, position, local);
        value = own_value(v_at, quad);
      } else {
        for (var i = local; i < HEAD_DIM; i += WORKGROUP) {
          query[i] = qkv[qkv_at + head * HEAD_DIM + i];
        }
        workgroupBarrier();
      }
      for (var c = 0u; c < LANE_CHUNKS; c++) {
        q[2u * c] = query_quad(2u * (c * LANES + lane));
        q[2u * c + 1u] = query_quad(2u * (c * LANES + lane) + 1u);
      }
    }

    var products: array<vec4<f32>, KEY_STEPS>;
    for (var step = 0u; step < KEY_STEPS; step++) {
      let k = step * KEYS_AT_ONCE + local / LANES;
      // Set by hand: some back ends do not zero an array that is declared in a loop again.
      products[step] = vec4<f32>();
      for (var c = 0u; c < LANE_CHUNKS; c++) {
        var packed = key_words[step * LANE_CHUNKS + c];
        if (k == own) {
          packed = own_key[c * LANES + lane];
        }
        products[step] = madd4(q[2u * c + 1u], unpack4(packed.zw), madd4(q[2u * c], unpack4(packed.xy), products[step]));
      }
    }
    for (var step = 0u; step < KEY_STEPS; step++) {
      let k = step * KEYS_AT_ONCE + local / LANES;
      let score = team_sum((products[step].x + products[step].y) + (products[step].z + products[step].w), local);
      if (lane == 0u && k < BLOCK_POSITIONS) {
        weights[k] = select(LOWEST, score, k >= begin && k < end);
      }
    }
    workgroupBarrier();

    let before = highest;
    for (var k = 0u; k < BLOCK_POSITIONS; k++) {
      highest = max(highest, weights[k]);
    }
    workgroupBarrier();
    if (local < BLOCK_POSITIONS) {
      weights[local] = exp(weights[local] - highest);
    }
    workgroupBarrier();

    let rescale = exp(before - highest);
    total *= rescale;
    sum *= rescale;
    for (var i = 0u; i < TEAM_VALUES; i++) {
      let k = i * VALUE_TEAMS + value_team;
      let seen = k >= begin && k < end;
      var packed = select(vec2<u32>(), value_words[i], seen);
      if (seen && k == own) {
        packed = value;
      }
      let weight = select(0.0, weights[min(k, BLOCK_POSITIONS - 1u)], seen);
      sum = madd4(vec4<f32>(weight), unpack4(packed), sum);
      total += weight;
    }
    workgroupBarrier();
  }

  sums[local] = sum;
  totals[local] = total;
  workgroupBarrier();
  if (local < QUADS) {
    for (var team = 1u; team < VALUE_TEAMS; team++) {
      sum += sums[team * QUADS + local];
      total += totals[team * QUADS + local];
    }
    let at = (row_index * HEADS + head) * SPLITS + split;
    if (GENERATED == 0u) {
      out[at * QUADS + local] = sum / total;
    } else {
      out[at * (QUADS + 1u) + local] = sum;
      if (local == 0u) {
        out[at * (QUADS + 1u) + QUADS] = vec4<f32>(highest, total, 0.0, 0.0);
      }
    }
  }
  // The last split has the row's own position; of the heads that share its key and value, the first writes them.
  if (GENERATED == 1u && split + 1u == extent.splits && head % (HEADS / KV_HEADS) == 0u) {
    let entry = cache_entry(table[table_index(row.slot, position)], position) * KV_HEADS + kv_head;
    for (var c = local; c < CHUNKS; c += WORKGROUP) {
      keys[entry * CHUNKS + c] = own_key[c];
    }
    for (var q = local; q < QUADS; q += WORKGROUP) {
      values[entry * QUADS + q] = own_value(v_at, q);
    }
  }
}
