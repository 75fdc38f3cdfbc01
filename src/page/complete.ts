import { DOOR_NAME } from '../protocol/door.ts';
import type { DoorLine } from '../protocol/door-caller.ts';
import { callGenerate } from '../protocol/door-caller.ts';
import { LapisError } from '../protocol/errors.ts';
import type { Card } from './card.ts';
import { showCard } from './card.ts';
import { CONTEXT_CHARACTERS, ContinuationText, continuationRequest } from './continuation.ts';
import type { TextField } from './field.ts';
import { collapseToEnd, focusedField, hasFocus, insertAtCaret, isFull, textBeforeCaret } from './field.ts';

const SHOW_DONE_MS = 2_500;
/** Long enough to read why the text is doubted. */
const SHOW_DOUBTED_MS = 12_000;
const SHOW_STOPPED_MS = 5_000;
const SHOW_ERROR_MS = 12_000;

/** Text that is compared to see whether the caret still is where the last insertion left it. */
const TAIL_CHARACTERS = 16;

const LEFT = 'Stopped, because you left the field.';

const line: DoorLine = {
  wake: () => chrome.runtime.sendMessage({ lapis: 'wake' }),
  connect: () => chrome.runtime.connect({ name: DOOR_NAME }),
  lastError: () => chrome.runtime.lastError?.message,
};

/** Shows a sentence in a card, and nothing else. */
export function say(sentence: string, signal: AbortSignal, teardown: () => void): void {
  showCard(undefined, teardown, signal).finished(sentence, { error: true, forMs: SHOW_ERROR_MS });
}

/**
 * Streams the continuation of the focused field's text in at its caret, with a card beside it. Ends when the model does, and
 * stops when the person types, leaves the field, presses Escape or the card's button, or the signal says so.
 */
export async function complete(signal: AbortSignal, teardown: () => void): Promise<void> {
  const field = focusedField(document);
  if ('refusal' in field) return say(field.refusal, signal, teardown);
  collapseToEnd(field);
  const before = textBeforeCaret(field);

  const stop = new AbortController();
  let writing = true;
  const dismiss = () => {
    if (writing) stop.abort('Stopped.');
    else teardown();
  };
  const card = showCard(field.element, dismiss, signal);
  const end = (text: string, error: boolean, forMs: number) => {
    writing = false;
    if (!signal.aborted) card.finished(text, { error, forMs });
  };

  const writer = new FieldWriter(field, before, stop);
  writer.yieldToThePerson(signal);
  try {
    const { words, doubted } = await write(field, before, writer, card, AbortSignal.any([signal, stop.signal]));
    end(words, false, doubted ? SHOW_DOUBTED_MS : SHOW_DONE_MS);
  } catch (error) {
    const failure = LapisError.from(error);
    // The reason of a stop is a sentence already.
    if (stop.signal.aborted) end(String(stop.signal.reason), false, SHOW_STOPPED_MS);
    else end(failure.message, true, SHOW_ERROR_MS);
  } finally {
    writer.close();
  }
}

/** Asks for the continuation and writes it; resolves with the card's last words and whether its model is suspect. */
async function write(
  field: TextField,
  before: string,
  writer: FieldWriter,
  card: Card,
  signal: AbortSignal,
): Promise<{ words: string; doubted: boolean }> {
  for (const [attempt, characters] of CONTEXT_CHARACTERS.entries()) {
    const request = continuationRequest(before, field.singleLine, characters);
    if (!request) throw new LapisError('bad-request', 'Write a few words first: Lapis goes on from there.');
    const text = new ContinuationText(before, field.singleLine);
    card.working('Lapis is getting ready…');
    try {
      for await (const event of callGenerate(line, request, { signal })) {
        if (event.type === 'start') {
          card.working('Lapis is writing…');
          if (event.suspect !== undefined) card.warn(`This model is suspect. ${event.suspect}`);
        } else if (event.type === 'text') writer.write(text.push(event.text));
        else if (event.type === 'end') {
          const words = lastWords(writer, event.usage.completionTokens, event.tokensPerSecond);
          return { words, doubted: event.suspect !== undefined };
        }
      }
    } catch (error) {
      const overflow = error instanceof LapisError && error.code === 'context-overflow';
      if (!overflow || attempt === CONTEXT_CHARACTERS.length - 1) throw error;
    }
  }
  throw new LapisError('internal', 'The answer broke off without an end.');
}

function lastWords(writer: FieldWriter, tokens: number, speed: number | undefined): string {
  if (!writer.wrote) return 'The model has nothing to add.';
  if (!writer.arrived()) throw new LapisError('unsupported', 'The page did not take the text.');
  const count = tokens === 1 ? '1 token' : `${tokens} tokens`;
  return speed === undefined ? count : `${count} · ${speed.toFixed(speed < 10 ? 1 : 0)} tokens/s`;
}

/** Writes into the field, and stops as soon as its caret is not where the last piece ended. */
class FieldWriter {
  readonly #field: TextField;
  readonly #stop: AbortController;
  readonly #done = new AbortController();
  readonly #original: string;
  /** What stood before the caret right after the last insertion. */
  #before: string;
  /** What should stand there: editors that render later get it there only after a while. */
  #expected: string;
  #inserting = false;

  constructor(field: TextField, before: string, stop: AbortController) {
    this.#field = field;
    this.#original = before;
    this.#before = before;
    this.#expected = before;
    this.#stop = stop;
  }

  get wrote(): boolean {
    return this.#expected !== this.#original;
  }

  /** Whether anything of what was written is in the field. */
  arrived(): boolean {
    return !this.#field.element.isConnected || textBeforeCaret(this.#field) !== this.#original;
  }

  /** The person's own input has precedence: two hands in one text make a mess. */
  yieldToThePerson(signal: AbortSignal): void {
    const options = { capture: true, signal: AbortSignal.any([signal, this.#done.signal]) };
    const stop = (event: Event) => {
      if (event.isTrusted && !this.#inserting) this.#stop.abort('Stopped, because you went on writing.');
    };
    for (const type of ['beforeinput', 'compositionstart']) {
      this.#field.element.addEventListener(type, stop, options);
    }
    const left = () => {
      // Another window's focus blurs the field too, but leaves it the active element: only afterwards can one tell.
      setTimeout(() => {
        if (!options.signal.aborted && !hasFocus(this.#field)) this.#stop.abort(LEFT);
      });
    };
    this.#field.element.addEventListener('blur', left, options);
  }

  write(text: string): void {
    if (text === '' || this.#stop.signal.aborted) return;
    const reason = this.#obstacle();
    if (reason) {
      this.#stop.abort(reason);
      return;
    }
    this.#inserting = true;
    try {
      insertAtCaret(this.#field, text);
    } finally {
      this.#inserting = false;
    }
    this.#expected += text;
    this.#before = textBeforeCaret(this.#field);
    if (isFull(this.#field)) this.#stop.abort('The field is full.');
  }

  close(): void {
    this.#done.abort();
  }

  /** Why nothing more can be written; undefined when it can. */
  #obstacle(): string | undefined {
    if (!this.#field.element.isConnected) return 'Stopped, because the field is gone.';
    if (!hasFocus(this.#field)) return LEFT;
    const before = textBeforeCaret(this.#field);
    const inPlace = before === this.#before || before.endsWith(this.#expected.slice(-TAIL_CHARACTERS));
    return inPlace ? undefined : 'Stopped, because the text or the caret was changed.';
  }
}
