// Two products of one input: the first FIRST_GROUPS workgroups make the first.
@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let group = workgroup.x + workgroup.y * workgroups.x;
  if (group < FIRST_GROUPS) {
    matvec(group, workgroup.z, local, group == 0u);
  } else {
    matvec_2(group - FIRST_GROUPS, workgroup.z, local, false);
  }
}
