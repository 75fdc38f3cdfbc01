// The input of matvec.wgsl as it stands in memory: in order of columns, or arranged (arranged.wgsl).
const GROUPS = COLUMNS / 16u;

fn prepare_input(row: u32, local: u32, first: bool) {
}

// Columns 16·index + 4·q … of a row.
fn input_quad(row: u32, index: u32, q: u32) -> vec4<f32> {
  return input[row * GROUPS * 4u + select(index * 4u + q, q * GROUPS + index, ARRANGED == 1u)];
}
