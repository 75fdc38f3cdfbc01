// Where the result of row i at a position begins: those of RESULT_STEPS steps are kept, so that steps of one submit need no copy between them.
fn result_at(i: u32, position: u32) -> u32 {
  return (i * RESULT_STEPS + position % RESULT_STEPS) * RESULT_WORDS;
}
