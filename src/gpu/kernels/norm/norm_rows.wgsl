// The norm of norm_row.wgsl as a kernel of its own: a workgroup a row, h into `normed`, [rows][COLUMNS], or arranged (matvec/arranged.wgsl) for
// ROWS rows together.
@group(0) @binding(0) var<uniform> batch: Batch;
@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> branch: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> norms: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> residual: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> normed: array<f32>;

fn store_normed(row: u32, i: u32, h: vec4<f32>) {
  for (var c = 0u; c < 4u; c++) {
    let column = 4u * i + c;
    normed[select(row * COLUMNS + column, arranged_at(column, row, COLUMNS / 16u), ARRANGED == 1u)] = h[c];
  }
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  norm_row(workgroup.x, local, true);
}
