import { LapisError } from '../protocol/errors.ts';
import type { ChatMessage } from '../protocol/generation.ts';
import type { Tokenizer } from './tokenizer.ts';

/**
 * Ids of a chat in Gemma's format, from bos to the point where the model answers. As in the model's own template, content
 * is trimmed, a system text goes into the first user turn as it is, and turns alternate, a user's first. A trailing assistant message is left open, so that
 * the model continues it. What was typed never becomes a control token.
 *
 * A turn's ids depend only on that turn, so a chat's ids begin with those of the same chat some turns ago and its KV cache is
 * of use again.
 *
 * Throws `bad-request` for messages that are no chat, `unsupported` for a vocabulary without turns.
 */
export function chatIds(tokenizer: Tokenizer, messages: readonly ChatMessage[]): number[] {
  const turns = messages[0]?.role === 'system' ? messages.slice(1) : messages;
  checkRoles(turns);
  const system = turns === messages ? '' : messages[0].content;
  const startOfTurn = controlId(tokenizer, '<start_of_turn>');
  const endOfTurn = controlId(tokenizer, '<end_of_turn>');
  const betweenTurns = tokenizer.encode('\n');

  const ids = [tokenizer.data.bos];
  turns.forEach((turn, i) => {
    ids.push(startOfTurn);
    if (turn.role === 'user') {
      // An empty system text is none; the template would leave two newlines for it.
      const prefix = i === 0 && system.trim() !== '' ? `${system}\n\n` : '';
      pushAll(ids, tokenizer.encode(`user\n${prefix}${turn.content.trim()}`));
    } else {
      // Apart from the content, because a generated answer follows exactly these ids.
      pushAll(ids, tokenizer.encode('model\n'));
      pushAll(ids, tokenizer.encode(turn.content.trim()));
      if (i === turns.length - 1) return;
    }
    ids.push(endOfTurn);
    pushAll(ids, betweenTurns);
  });
  if (turns.at(-1)?.role === 'user') {
    ids.push(startOfTurn);
    pushAll(ids, tokenizer.encode('model\n'));
  }
  return ids;
}

/** Ids of a plain completion: bos, then the text. */
export function completionIds(tokenizer: Tokenizer, text: string): number[] {
  const ids = [tokenizer.data.bos];
  pushAll(ids, tokenizer.encode(text));
  return ids;
}

function checkRoles(turns: readonly ChatMessage[]): void {
  if (turns.length === 0) throw new LapisError('bad-request', 'A chat needs at least one user message.');
  turns.forEach((turn, i) => {
    if (turn.role === 'system') {
      throw new LapisError('bad-request', 'Only the first message of a chat may be a system message.');
    }
    const expected = i % 2 === 0 ? 'user' : 'assistant';
    if (turn.role !== expected) {
      throw new LapisError(
        'bad-request',
        `The messages of a chat alternate between user and assistant, a user message first; message ${i + 1} after any system message is from the ${turn.role}.`,
      );
    }
  });
}

function controlId(tokenizer: Tokenizer, piece: string): number {
  const ids = tokenizer.encode(piece, { special: true });
  if (ids.length !== 1) {
    throw new LapisError(
      'unsupported',
      `This model's vocabulary has no ${piece}, so it cannot chat; use plain completion.`,
    );
  }
  return ids[0];
}

/** `push(...ids)` would put a long text's ids on the stack. */
function pushAll(ids: number[], more: readonly number[]): void {
  for (const id of more) ids.push(id);
}
