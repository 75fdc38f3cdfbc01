// Sums over a whole workgroup, in one order, to all of its invocations: by shuffles among SHUFFLE, then through workgroup memory.
const SUM_PARTS = WORKGROUP / SHUFFLE;
var<workgroup> workgroup_partials: array<vec2<f32>, SUM_PARTS>;

fn workgroup_sum(value: vec2<f32>, local: u32) -> vec2<f32> {
  var sum = value;
  for (var step = 1u; step < SHUFFLE; step <<= 1u) {
    sum += subgroupShuffleXor(sum, step);
  }
  workgroupBarrier();
  if (local % SHUFFLE == 0u) {
    workgroup_partials[local / SHUFFLE] = sum;
  }
  workgroupBarrier();
  sum = vec2<f32>();
  for (var part = 0u; part < SUM_PARTS; part++) {
    sum += workgroup_partials[part];
  }
  return sum;
}
