// The join of joined.wgsl as a kernel of its own. attention: [rows][HEADS][HEAD_DIM]; an invocation four dimensions.
@group(0) @binding(0) var<storage, read> rows: array<Row>;
@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> attention: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < HEADS * HEAD_QUADS) {
    attention[id.y * HEADS * HEAD_QUADS + id.x] = joined_quad(id.y, id.x);
  }
}
