/*
 * Names, notices and error sentences carry text out of model files and from servers. Preact writes text nodes, so markup in them
 * stays text; what is left is text that deceives or breaks a layout.
 */

/**
 * What shows nothing of itself: overrides and isolates, which order a browser to turn round the letters of the sentence about the
 * name, and characters without width, which make two different names look the same. Scripts and emoji need the two joiners and
 * U+FE0F.
 */
const INVISIBLE = /(?!\u200c|\u200d|\ufe0f)\p{Default_Ignorable_Code_Point}|[\ufff9-\ufffb]/gu;

/** Line breaks, tabs and the other control characters; halves of a character. */
const CONTROLS = /[\p{Cc}\p{Cs}\u2028\u2029]+/gu;

/** More marks on one letter than any script writes: they would run over the lines above and below. */
const MARKS = /(\p{M}{3})\p{M}+/gu;

const LONGEST_NAME = 120;
const LONGEST_TEXT = 500;

/** The text without what deceives, in one line and not endless. */
export function harmless(text: string, longest = LONGEST_TEXT): string {
  // What lies far beyond the end need not be read to be left out.
  const line = text
    .slice(0, 4 * longest)
    .replace(INVISIBLE, '')
    .replace(CONTROLS, ' ')
    .replace(MARKS, '$1')
    .replace(/\s+/g, ' ')
    .trim();
  const characters = [...line];
  return characters.length > longest ? `${characters.slice(0, longest - 1).join('')}…` : line;
}

/** Sent back as they came, or compared; a page shows them only through `harmless`. */
const VERBATIM = new Set(['id', 'modelId', 'selectedModelId', 'loadedModelId', 'url']);

/** Names of things; all other texts are sentences. */
const NAMES = new Set(['name', 'host', 'type']);

/** A value of the protocol with every text in it made harmless, ids and addresses excepted. */
export function harmlessly<T>(value: T): T {
  if (typeof value === 'string') return harmless(value) as T;
  if (Array.isArray(value)) return value.map((item) => harmlessly(item)) as T;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => {
    if (VERBATIM.has(key)) return [key, inner];
    return [key, NAMES.has(key) && typeof inner === 'string' ? harmless(inner, LONGEST_NAME) : harmlessly(inner)];
  });
  return Object.fromEntries(entries) as T;
}
