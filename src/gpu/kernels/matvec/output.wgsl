@group(0) @binding(2) var<storage, read_write> output: array<f32>; // [rows][OUTPUT_STRIDE]
