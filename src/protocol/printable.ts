/** A name in a sentence is cut here: Gemma's longest tensor name has 32 characters, and a sentence quotes two at most. */
const NAME_LENGTH = 100;

/**
 * Control characters, invisible and direction-changing ones (Unicode's category C, lone surrogates too), and the two separators
 * that break a line.
 */
const NOT_PRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;

function escaped(character: string): string {
  const code = character.codePointAt(0)!;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`;
}

/**
 * A text that someone else wrote (a name in a model file, a file's name) as it may stand in a sentence: on one line, of at most
 * `length` characters and an ellipsis, and with nothing in it that moves the cursor, turns the direction of the text or hides.
 */
export function printable(text: string, length: number = NAME_LENGTH): string {
  let shown = '';
  for (const character of text) {
    const next = NOT_PRINTABLE.test(character) ? escaped(character) : character;
    if (shown.length + next.length > length) return `${shown}…`;
    shown += next;
  }
  return shown;
}
