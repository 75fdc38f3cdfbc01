// Writes a row's choice where the next step and the CPU look for it. slots: [slots]; results: [rows][RESULT_STEPS][RESULT_WORDS].
fn commit(i: u32, choice: vec2<u32>) {
  let row = rows[batch.head_row + i];
  let token = select(choice.y, 0u, choice.y >= sizes.vocabulary); // no token was allowed
  slots[row.slot].token = token;
  slots[row.slot].position = row.position + 1u;
  let result = result_at(i, row.position);
  results[result] = row.slot;
  results[result + 1u] = token;
  results[result + 2u] = 0u; // log-probability: `report` writes it,
  results[result + 3u] = 0u; // and how many of the best follow
}

// The first of a row's partials, to all invocations.
fn first_partial(i: u32, lane: u32) -> vec2<u32> {
  var best = NONE;
  for (var c = lane; c < sizes.chunks; c += WIDTH) {
    best = first_of(best, partials[i * sizes.chunks + c]);
  }
  return first_of_workgroup(lane, best);
}
