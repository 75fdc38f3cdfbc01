// Where column `column` of row `row` stands in a vector that is arranged for matvec: neighbouring invocations, which take neighbouring
// groups of 16 columns, read neighbouring words. A row alone: [4][GROUPS][4], quads of four columns; several: [16][ROWS / 4][GROUPS][4], quads
// of four rows.
fn arranged_at(column: u32, row: u32, groups: u32) -> u32 {
  let group = column / 16u;
  let k = column % 16u;
  if (ROWS == 1u) {
    return ((k / 4u) * groups + group) * 4u + k % 4u;
  }
  return ((k * (ROWS / 4u) + row / 4u) * groups + group) * 4u + row % 4u;
}
