import type { DoorGenerateRequest } from '../protocol/door.ts';

/**
 * How much of the text before the caret the model gets, in characters: some 500 tokens, which read in a moment and are what a
 * sentence's continuation hangs on. Smaller shares are for models whose context that does not fit.
 */
export const CONTEXT_CHARACTERS = [2_000, 1_000, 500, 200] as const;

/** A sentence or two. */
const MAX_TOKENS = 96;

/**
 * The request that continues `before`, the text up to the caret; undefined when there is nothing to continue.
 *
 * Spaces at the end are left out of the prompt, because a word's space belongs to the word's token: after "The sky is " the token
 * " blue" could no longer come. `ContinuationText` leaves the same space out of the answer.
 *
 * @param singleLine ends the answer at a line's end instead of at a blank line
 */
export function continuationRequest(
  before: string,
  singleLine: boolean,
  characters: number,
): DoorGenerateRequest | undefined {
  const text = lastOf(withPlainSpaces(before).replace(/[ \t]+$/, ''), characters);
  if (text.trim() === '') return undefined;
  return {
    prompt: { kind: 'completion', text },
    maxTokens: MAX_TOKENS,
    stop: [singleLine ? '\n' : '\n\n'],
  };
}

/** The last `characters` of a text, from a word's beginning if one is near. */
function lastOf(text: string, characters: number): string {
  if (text.length <= characters) return text;
  const tail = text.slice(-characters);
  const word = tail.search(/\s\S/);
  // A cut inside a surrogate pair would leave half a character.
  return word >= 0 && word < characters / 4 ? tail.slice(word).trimStart() : tail.replace(/^[\uDC00-\uDFFF]/, '');
}

/** Editors keep some spaces as no-break spaces, so that HTML shows them. */
export function withPlainSpaces(text: string): string {
  return text.replace(/\u00a0/g, ' ');
}

/** Turns the streamed answer into what is put into the field. */
export class ContinuationText {
  readonly #singleLine: boolean;
  #started = false;
  /** The field already has the space with which the answer begins. */
  readonly #afterSpace: boolean;
  /** White space at the end so far: it is written only once something follows it. */
  #held = '';

  constructor(before: string, singleLine: boolean) {
    this.#singleLine = singleLine;
    this.#afterSpace = /[ \t]$/.test(withPlainSpaces(before));
  }

  /** What to insert when `text` has arrived; often all of it, sometimes nothing yet. */
  push(text: string): string {
    // Line feeds and tabs are text; other control characters have no place in a field.
    let clean = text.replace(/\r\n?/g, '\n').replace(/[^\P{Cc}\n\t]/gu, '');
    if (this.#singleLine) clean = clean.replace(/\n/g, ' ');
    if (!this.#started) {
      if (clean === '') return '';
      this.#started = true;
      if (this.#afterSpace) clean = clean.replace(/^ /, '');
    }
    const all = this.#held + clean;
    const end = all.search(/\s+$/);
    this.#held = end < 0 ? '' : all.slice(end);
    return end < 0 ? all : all.slice(0, end);
  }
}
