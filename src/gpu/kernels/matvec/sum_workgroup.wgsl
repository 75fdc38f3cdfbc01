// Sums over the LANES invocations of a team through workgroup memory, for adapters without subgroups: first runs of up to 8, then the
// runs. The result stands in every lane.
const RUN = min(LANES, 8u);

var<workgroup> team_partials: array<f32, WORKGROUP>;
var<workgroup> run_partials: array<f32, WORKGROUP / RUN>;

fn team_sum(value: f32, local: u32) -> f32 {
  workgroupBarrier();
  team_partials[local] = value;
  workgroupBarrier();
  if (local % RUN == 0u) {
    var run = 0.0;
    for (var lane = 0u; lane < RUN; lane++) {
      run += team_partials[local + lane];
    }
    run_partials[local / RUN] = run;
  }
  workgroupBarrier();
  let first = local / LANES * (LANES / RUN);
  var sum = 0.0;
  for (var run = 0u; run < LANES / RUN; run++) {
    sum += run_partials[first + run];
  }
  return sum;
}
