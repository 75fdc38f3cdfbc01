// The input of a matvec for one row, made by every workgroup for itself: the splits of the row's attention, joined.
@group(0) @binding(3) var<storage, read> rows: array<Row>;

const GROUPS = COLUMNS / 16u;

// Quads of a group of 16 stand GROUPS apart, so that neighbouring invocations read neighbouring words.
var<workgroup> prepared: array<vec4<f32>, COLUMNS / 4u>;

fn prepare_input(row: u32, local: u32, first: bool) {
  for (var i = local; i < COLUMNS / 4u; i += WORKGROUP) {
    prepared[(i % 4u) * GROUPS + i / 4u] = joined_quad(row, i);
  }
  workgroupBarrier();
}

fn input_quad(row: u32, index: u32, q: u32) -> vec4<f32> {
  return prepared[q * GROUPS + index];
}
