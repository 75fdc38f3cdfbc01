// Whether a slot's sampler looks at the history.
fn has_penalties(slot: u32) -> bool {
  return slots[slot].repetition_penalty != 1.0 || slots[slot].presence_penalty != 0.0 ||
    slots[slot].frequency_penalty != 0.0;
}
