// Joins the splits of a generated row's attention: out = Σ_s e^(m_s − m)·a_s / Σ_s e^(m_s − m)·l_s. A workgroup a row and head.
// partials: [rows][HEADS][SPLITS][HEAD_DIM + 2]; out: [rows][HEADS][HEAD_DIM].
@group(0) @binding(0) var<storage, read> rows: array<Row>;
@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

const WORKGROUP = min(HEAD_DIM, 256u);

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let position = rows[workgroup.y].position;
  var first_key = 0u;
  if (WINDOW > 0u && position + 1u > WINDOW) {
    first_key = position + 1u - WINDOW;
  }
  let blocks = position / BLOCK_POSITIONS + 1u - first_key / BLOCK_POSITIONS;
  let splits = (blocks + BLOCKS_PER_SPLIT - 1u) / BLOCKS_PER_SPLIT;
  let head = workgroup.y * HEADS + workgroup.x;
  let first = head * SPLITS * (HEAD_DIM + 2u);

  var highest = partials[first + HEAD_DIM];
  for (var s = 1u; s < splits; s++) {
    highest = max(highest, partials[first + s * (HEAD_DIM + 2u) + HEAD_DIM]);
  }
  for (var d = local; d < HEAD_DIM; d += WORKGROUP) {
    var sum = 0.0;
    var total = 0.0;
    for (var s = 0u; s < splits; s++) {
      let at = first + s * (HEAD_DIM + 2u);
      let factor = exp(partials[at + HEAD_DIM] - highest);
      sum = madd(factor, partials[at + d], sum);
      total = madd(factor, partials[at + HEAD_DIM + 1u], total);
    }
    out[head * HEAD_DIM + d] = sum / total;
  }
}
