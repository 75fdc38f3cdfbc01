// Sums over a whole workgroup, in one order, to all of its invocations, through workgroup memory.
var<workgroup> workgroup_partials: array<vec2<f32>, WORKGROUP>;

fn workgroup_sum(value: vec2<f32>, local: u32) -> vec2<f32> {
  workgroupBarrier();
  workgroup_partials[local] = value;
  for (var step = WORKGROUP / 2u; step > 0u; step >>= 1u) {
    workgroupBarrier();
    if (local < step) {
      workgroup_partials[local] += workgroup_partials[local + step];
    }
  }
  workgroupBarrier();
  return workgroup_partials[0];
}
