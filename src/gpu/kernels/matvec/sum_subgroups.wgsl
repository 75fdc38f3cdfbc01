// Sums over the LANES invocations of a team by shuffles. LANES is at most the adapter's smallest subgroup size and teams are aligned
// runs of the local index; that a subgroup holds consecutive local indices is checked by the known-answer test at load.
fn team_sum(value: f32, local: u32) -> f32 {
  var sum = value;
  for (var step = 1u; step < LANES; step <<= 1u) {
    sum += subgroupShuffleXor(sum, step);
  }
  return sum;
}
