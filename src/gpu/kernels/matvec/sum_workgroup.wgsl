// Sums over the LANES invocations of a team through workgroup memory, for adapters without subgroups. The result stands in lane 0.
var<workgroup> team_partials: array<f32, WORKGROUP>;

fn team_sum(value: f32, local: u32) -> f32 {
  workgroupBarrier();
  team_partials[local] = value;
  workgroupBarrier();
  var sum = 0.0;
  if (local % LANES == 0u) {
    for (var lane = 0u; lane < LANES; lane++) {
      sum += team_partials[local + lane];
    }
  }
  return sum;
}
