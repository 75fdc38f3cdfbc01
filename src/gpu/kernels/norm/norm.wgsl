// RMSNorm, and RMSNorm with the residual around it: a workgroup a row.
//   ADD = 0: h = x·rsqrt(mean(x²) + ε)·w2
//   ADD = 1: x += t·rsqrt(mean(t²) + ε)·w1, then h = x·rsqrt(mean(x²) + ε)·w2
// x, t, h: [rows][COLUMNS] f32; w1, w2: [COLUMNS], the effective factors.
@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> t: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w1: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> w2: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> h: array<vec4<f32>>;

const WIDTH = COLUMNS / 4u;
var<workgroup> partials: array<f32, WORKGROUP>;

fn workgroup_sum(value: f32, local: u32) -> f32 {
  workgroupBarrier();
  partials[local] = value;
  for (var step = WORKGROUP / 2u; step > 0u; step >>= 1u) {
    workgroupBarrier();
    if (local < step) {
      partials[local] += partials[local + step];
    }
  }
  workgroupBarrier();
  return partials[0];
}

fn scale_of(sum: f32) -> f32 {
  return inverseSqrt(sum / f32(COLUMNS) + F_EPSILON);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = workgroup.x * WIDTH;
  if (ADD == 1u) {
    var branch = 0.0;
    for (var i = local; i < WIDTH; i += WORKGROUP) {
      branch += dot(t[row + i], t[row + i]);
    }
    let factor = scale_of(workgroup_sum(branch, local));
    for (var i = local; i < WIDTH; i += WORKGROUP) {
      x[row + i] += t[row + i] * factor * w1[i];
    }
  }
  var sum = 0.0;
  for (var i = local; i < WIDTH; i += WORKGROUP) {
    sum += dot(x[row + i], x[row + i]);
  }
  let factor = scale_of(workgroup_sum(sum, local));
  for (var i = local; i < WIDTH; i += WORKGROUP) {
    h[row + i] = x[row + i] * factor * w2[i];
  }
}
