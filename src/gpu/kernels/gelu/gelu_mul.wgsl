// y[r][n] = gelu(g[r][n])·g[r][outputs + n], for feed-forward weights whose gate and up differ in type. g: [rows][2·outputs].
struct Params {
  outputs: u32,
  reserved0: u32,
  reserved1: u32,
  reserved2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let n = id.x;
  if (n < params.outputs) {
    let at = id.y * 2u * params.outputs + n;
    output[id.y * params.outputs + n] = gelu(input[at]) * input[at + params.outputs];
  }
}
