// The join of joined.wgsl as a kernel of its own. attention: [rows][HEADS·HEAD_DIM], arranged
// (matvec/arranged.wgsl) for ROWS rows together; an invocation four dimensions.
@group(0) @binding(0) var<storage, read> rows: array<Row>;
@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> attention: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < HEADS * HEAD_QUADS) {
    let quad = joined_quad(id.y, id.x);
    for (var c = 0u; c < 4u; c++) {
      attention[arranged_at(4u * id.x + c, id.y, HEADS * HEAD_DIM / 16u)] = quad[c];
    }
  }
}
