// Where matvec.wgsl's y[n] of a row goes: in order of columns.
fn write_output(row: u32, n: u32, value: f32, local: u32) {
  if (local % LANES == 0u && n < VALUES && row < batch.row_count) {
    output[row * OUTPUT_STRIDE + OUTPUT_OFFSET + n] = value;
  }
}
