// a·b + c in one rounding. Asked for by name, so that no compiler decides from the code around it whether to contract.
fn madd(a: f32, b: f32, c: f32) -> f32 {
  return fma(a, b, c);
}

fn madd4(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>) -> vec4<f32> {
  return fma(a, b, c);
}
