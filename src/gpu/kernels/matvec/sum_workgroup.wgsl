// Sums (f32 or vec4<f32>, as the kernel says) over the LANES invocations of a team through workgroup memory, for adapters without subgroups: first runs of up to 8, then the
// runs. The result stands in every lane.
const RUN = min(LANES, 8u);

var<workgroup> team_partials: array<Sum, WORKGROUP>;
var<workgroup> run_partials: array<Sum, WORKGROUP / RUN>;

fn team_sum(value: Sum, local: u32) -> Sum {
  workgroupBarrier();
  team_partials[local] = value;
  workgroupBarrier();
  if (local % RUN == 0u) {
    var run = Sum();
    for (var lane = 0u; lane < RUN; lane++) {
      run += team_partials[local + lane];
    }
    run_partials[local / RUN] = run;
  }
  workgroupBarrier();
  let first = local / LANES * (LANES / RUN);
  var sum = Sum();
  for (var run = 0u; run < LANES / RUN; run++) {
    sum += run_partials[first + run];
  }
  return sum;
}
