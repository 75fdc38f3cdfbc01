// The input of a matvec for one row, made by every workgroup for itself: the norm of norm_row.wgsl. The first workgroup keeps the residual.
@group(0) @binding(3) var<storage, read> branch: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> norms: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> residual: array<vec4<f32>>;

const GROUPS = COLUMNS / 16u;

// Quads of a group of 16 stand GROUPS apart, so that neighbouring invocations read neighbouring words.
var<workgroup> prepared: array<vec4<f32>, COLUMNS / 4u>;

fn store_normed(row: u32, i: u32, h: vec4<f32>) {
  prepared[(i % 4u) * GROUPS + i / 4u] = h;
}

fn prepare_input(row: u32, local: u32, first: bool) {
  norm_row(row, local, first);
  workgroupBarrier();
}

fn input_quad(row: u32, index: u32, q: u32) -> vec4<f32> {
  return prepared[q * GROUPS + index];
}
