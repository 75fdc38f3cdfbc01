// Joins the splits of a generated row's attention: Σ_s e^(m_s − m)·a_s / Σ_s e^(m_s − m)·l_s, four dimensions at a time.
// input: [rows][HEADS][SPLITS][HEAD_DIM/4 + 1] as blocks.wgsl leaves it.
const HEAD_QUADS = HEAD_DIM / 4u;

// Quad i of a row, over all heads.
fn joined_quad(row: u32, i: u32) -> vec4<f32> {
  let splits = extent_of(rows[row].position).splits;
  let first = (row * HEADS + i / HEAD_QUADS) * SPLITS * (HEAD_QUADS + 1u);
  var highest = LOWEST;
  for (var s = 0u; s < splits; s++) {
    highest = max(highest, input[first + s * (HEAD_QUADS + 1u) + HEAD_QUADS].x);
  }
  var sum = vec4<f32>();
  var total = 0.0;
  for (var s = 0u; s < splits; s++) {
    let at = first + s * (HEAD_QUADS + 1u);
    let state = input[at + HEAD_QUADS];
    let factor = exp(state.x - highest);
    sum = madd4(vec4<f32>(factor), input[at + i % HEAD_QUADS], sum);
    total = madd(factor, state.y, total);
  }
  return sum / total;
}
