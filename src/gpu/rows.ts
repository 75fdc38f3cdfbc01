/** The most rows that are generated together. */
export const MAX_GENERATED_ROWS = 8;
/** u32 words of a Slot (rows.wgsl). */
export const SLOT_WORDS = 16;
/** u32 words of a Row (rows.wgsl). */
export const ROW_WORDS = 4;
