// a·b + c in two roundings, for SwiftShader, which never contracts and calls a function for each lane of a fma.
fn madd(a: f32, b: f32, c: f32) -> f32 {
  return a * b + c;
}

fn madd4(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>) -> vec4<f32> {
  return a * b + c;
}
