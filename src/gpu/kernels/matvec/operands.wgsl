// What every matrix product y[r][n] = Σ_k W[n][k]·x[r][k] is given; W is group 1 (weights/).
struct Params {
  outputs: u32, // values of n
  output_offset: u32,
  output_stride: u32,
  reserved: u32,
}

@group(0) @binding(0) var<uniform> batch: Batch;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> input: array<vec4<f32>>; // [rows][COLUMNS]
@group(0) @binding(3) var<storage, read_write> output: array<f32>; // [rows][output_stride]
