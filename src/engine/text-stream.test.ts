import { describe, expect, test } from 'vitest';
import { smallVocabulary } from '../model/testing/small-vocabulary.ts';
import { createTokenizer } from '../model/tokenizer.ts';
import { TextStream } from './text-stream.ts';

const tokenizer = createTokenizer(smallVocabulary(['a', 'b', '▁', '👍']));
const byteId = (byte: number) =>
  tokenizer.data.tokens.indexOf(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
const bytes = (text: string) => [...new TextEncoder().encode(text)].map(byteId);

function stream(ids: number[], stops: string[] = []): string[] {
  const text = new TextStream(tokenizer, stops);
  return [...ids.map((id) => text.push(id).text), text.flush()];
}

describe('text of a stream of ids', () => {
  test('an emoji comes whole, with its last byte', () => {
    expect(stream(bytes('😀'))).toEqual(['', '', '', '😀', '']);
  });

  test('characters of every length, byte by byte, come as they were', () => {
    const text = 'aé中😀\u0000👩‍👩‍👧‍👦\ufeffb';
    const said = stream(bytes(text));
    expect(said.join('')).toBe(text);
    expect(said.join('')).not.toContain('\ufffd');
  });

  test('half a character at the end is not said', () => {
    expect(stream([...bytes('a'), ...bytes('😀').slice(0, 3)])).toEqual(['a', '', '', '', '']);
  });

  test('bytes that are no UTF-8 swallow nothing after them', () => {
    expect(stream([...bytes('😀').slice(0, 2), ...tokenizer.encode('ab')]).join('')).toBe('\ufffdab');
    expect(stream([byteId(0xff), ...bytes('é')]).join('')).toBe('\ufffdé');
    expect(stream([byteId(0xc3), ...bytes('😀')]).join('')).toBe('\ufffd😀');
  });

  test('control tokens have no text', () => {
    expect(stream([tokenizer.data.bos, ...tokenizer.encode('a'), 5]).join('')).toBe('a');
  });

  test('a stop string is found across bytes', () => {
    expect(stream(bytes('ab👍a'), ['👍']).slice(0, 6).join('')).toBe('ab');
  });
});
