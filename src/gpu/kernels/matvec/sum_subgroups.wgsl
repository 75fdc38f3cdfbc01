// Sums (f32 or vec4<f32>, as the kernel says) over the LANES invocations of a team, by shuffles among SHUFFLE of them and through workgroup memory where a team is wider. SHUFFLE
// is at most the adapter's smallest subgroup size and teams are aligned runs of the local index; that a subgroup holds consecutive
// local indices is checked by the known-answer test at load. The result stands in every lane.
const TEAM_PARTS = LANES / SHUFFLE; // 0 where a team is narrower

var<workgroup> team_partials: array<Sum, WORKGROUP / SHUFFLE + 1u>;

fn team_sum(value: Sum, local: u32) -> Sum {
  var sum = value;
  for (var step = 1u; step < min(LANES, SHUFFLE); step <<= 1u) {
    sum += subgroupShuffleXor(sum, step);
  }
  if (TEAM_PARTS > 1u) {
    workgroupBarrier();
    if (local % SHUFFLE == 0u) {
      team_partials[local / SHUFFLE] = sum;
    }
    workgroupBarrier();
    let first = local / LANES * TEAM_PARTS;
    sum = Sum();
    for (var part = 0u; part < TEAM_PARTS; part++) {
      sum += team_partials[first + part];
    }
  }
  return sum;
}
