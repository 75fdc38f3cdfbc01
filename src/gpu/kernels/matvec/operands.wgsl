// What every matrix product y[r][n] = Σ_k W[n][k]·x[r][k] is given; W is group 1 (weights/), y another file's (output.wgsl, output_quads.wgsl).
// Constants: COLUMNS values of k, VALUES values of n, the first of which stands at OUTPUT_OFFSET of a row of y.
@group(0) @binding(0) var<uniform> batch: Batch;
@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>; // [rows][COLUMNS]
