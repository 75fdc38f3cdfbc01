import { describe, expect, test } from 'vitest';
import { chatIds, completionIds } from './chat.ts';
import { smallVocabulary } from './testing/small-vocabulary.ts';
import { createTokenizer } from './tokenizer.ts';
import type { TokenizerData } from './tokenizer-data.ts';

function pieces(data: TokenizerData, text: string, options?: { special?: boolean }): string[] {
  return createTokenizer(data)
    .encode(text, options)
    .map((id) => data.tokens[id]);
}

const LETTERS = ['a', 'b', 'c', 'd', '▁'];

describe('merging', () => {
  test('goes by score, not by longest match', () => {
    // Greedy longest match would take "abc" first.
    const data = smallVocabulary(['cd', 'ab', 'abc', ...LETTERS]);
    expect(pieces(data, 'abcd')).toEqual(['ab', 'cd']);
  });

  test('takes the leftmost of equal scores', () => {
    const data = smallVocabulary(['aa', ...LETTERS]);
    expect(pieces(data, 'aaaaa')).toEqual(['aa', 'aa', 'a']);
  });

  test('writes spaces as U+2581 and puts none in front', () => {
    const data = smallVocabulary(['▁a', ...LETTERS]);
    expect(pieces(data, 'a a')).toEqual(['a', '▁a']);
  });

  test('never builds a control, byte or user-defined piece', () => {
    const data = smallVocabulary([
      '<',
      'u',
      'n',
      'k',
      '>',
      '<u',
      'nk',
      'nk>',
      '<un',
      'k>',
      '<unk',
      '0',
      'x',
      '4',
      '1',
      '<0x4',
      '1>',
    ]);
    expect(pieces(data, '<unk>')).toEqual(['<u', 'nk>']);
    expect(pieces(data, '<0x41>')).not.toContain('<0x41>');
  });
});

describe('pieces taken whole', () => {
  const data = smallVocabulary([...LETTERS, 'a\n']);

  test('user-defined pieces go before any merge, the longest first', () => {
    expect(pieces(data, 'a\n\n\nb')).toEqual(['a', '\n\n', '\n', 'b']);
  });

  test('control strings are text, or controls when asked for', () => {
    expect(pieces(data, 'a<eos>')).not.toContain('<eos>');
    expect(pieces(data, 'a<eos>b', { special: true })).toEqual(['a', '<eos>', 'b']);
    expect(pieces(data, '<end_of_<end_of_turn>', { special: true }).at(-1)).toBe('<end_of_turn>');
  });
});

describe('bytes', () => {
  const data = smallVocabulary(LETTERS);
  const tokenizer = createTokenizer(data);

  test('a character outside the vocabulary becomes its UTF-8 bytes', () => {
    expect(pieces(data, 'aé😀')).toEqual(['a', '<0xC3>', '<0xA9>', '<0xF0>', '<0x9F>', '<0x98>', '<0x80>']);
    expect(tokenizer.decode(tokenizer.encode('aé😀 b\u0000'))).toBe('aé😀 b\u0000');
  });

  test('without byte pieces it becomes <unk>', () => {
    expect(pieces(smallVocabulary(LETTERS, { byteFallback: false }), 'aéb')).toEqual(['a', '<unk>', 'b']);
  });

  test('a space that is no piece becomes the byte of a space', () => {
    expect(pieces(smallVocabulary(['a']), 'a a')).toEqual(['a', '<0x20>', 'a']);
  });

  test('a lone surrogate becomes U+FFFD, as in UTF-8', () => {
    expect(tokenizer.decode(tokenizer.encode('a\ud83db\ude00'))).toBe('a\ufffdb\ufffd');
  });

  test('a byte order mark is text', () => {
    expect(tokenizer.decode(tokenizer.encode('\ufeffa'))).toBe('\ufeffa');
  });

  test('control tokens have no bytes, and are written or left out by decode', () => {
    expect(tokenizer.bytes(5)).toHaveLength(0);
    expect(tokenizer.decode([2, ...tokenizer.encode('ab'), 5])).toBe('<bos>ab<end_of_turn>');
    expect(tokenizer.decode([2, ...tokenizer.encode('ab'), 5], { special: false })).toBe('ab');
  });

  test('an id outside the vocabulary is refused by name', () => {
    expect(() => tokenizer.decode([999_999])).toThrow(/^Token id 999999 is not in the vocabulary of 269 tokens\.$/);
    expect(() => tokenizer.bytes(-1)).toThrow(/Token id -1/);
  });
});

describe('chat', () => {
  const data = smallVocabulary([
    'user',
    'model',
    ...LETTERS,
    'u',
    's',
    'e',
    'r',
    'm',
    'o',
    'l',
    'us',
    'er',
    'mo',
    'de',
    'mode',
  ]);
  const tokenizer = createTokenizer(data);
  const written = (messages: Parameters<typeof chatIds>[1]) => tokenizer.decode(chatIds(tokenizer, messages));

  test('a question', () => {
    expect(written([{ role: 'user', content: ' a ' }])).toBe(
      '<bos><start_of_turn>user\na<end_of_turn>\n<start_of_turn>model\n',
    );
  });

  test('an empty system text is none', () => {
    const question = { role: 'user', content: 'a' } as const;
    expect(written([{ role: 'system', content: ' ' }, question])).toBe(written([question]));
  });

  test('a trailing assistant message is left open', () => {
    expect(
      written([
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b c' },
      ]),
    ).toBe('<bos><start_of_turn>user\na<end_of_turn>\n<start_of_turn>model\nb c');
    expect(
      written([
        { role: 'user', content: 'a' },
        { role: 'assistant', content: '' },
      ]),
    ).toBe(written([{ role: 'user', content: 'a' }]));
  });

  test.each([
    [[], 'A chat needs at least one user message.'],
    [[{ role: 'system', content: 'a' }], 'A chat needs at least one user message.'],
    [[{ role: 'assistant', content: 'a' }], 'alternate'],
    [
      [
        { role: 'user', content: 'a' },
        { role: 'user', content: 'b' },
      ],
      'message 2 after any system message is from the user.',
    ],
    [
      [
        { role: 'user', content: 'a' },
        { role: 'system', content: 'b' },
      ],
      'Only the first message',
    ],
  ] as [Parameters<typeof chatIds>[1], string][])('refuses messages that are no chat %#', (messages, sentence) => {
    expect(() => chatIds(tokenizer, messages)).toThrow(sentence);
  });

  test('a vocabulary without turns is refused by name', () => {
    const plain: TokenizerData = {
      ...data,
      tokens: data.tokens.map((piece) => piece.replace('<start_of_turn>', '<x>')),
    };
    expect(() => chatIds(createTokenizer(plain), [{ role: 'user', content: 'a' }])).toThrow('no <start_of_turn>');
  });

  test('a completion is bos and the text as typed', () => {
    expect(tokenizer.decode(completionIds(tokenizer, ' a<eos>'))).toBe('<bos> a<eos>');
    expect(completionIds(tokenizer, '<bos>').filter((id) => id === 2)).toHaveLength(1);
  });
});
