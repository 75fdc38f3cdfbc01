import { describe, expect, test } from 'vitest';
import { CONTEXT_CHARACTERS, ContinuationText, continuationRequest } from './continuation.ts';

const promptOf = (before: string, singleLine = false, characters: number = CONTEXT_CHARACTERS[0]) => {
  const prompt = continuationRequest(before, singleLine, characters)?.prompt;
  return prompt?.kind === 'completion' ? prompt.text : undefined;
};

describe('continuationRequest', () => {
  test('asks for a plain completion up to a blank line, or to the end of the line in a single-line field', () => {
    expect(continuationRequest('The sky is', false, 100)).toMatchObject({
      prompt: { kind: 'completion', text: 'The sky is' },
      stop: ['\n\n'],
    });
    expect(continuationRequest('The sky is', true, 100)?.stop).toEqual(['\n']);
  });

  test.each([
    ['The sky is ', 'The sky is'],
    ['The sky is\u00a0', 'The sky is'],
    ['The\u00a0sky \t is\t ', 'The sky \t is'],
    ['One\n', 'One\n'],
    ['One\n  ', 'One\n'],
  ])('leaves the spaces at the end of %j out', (before, prompt) => {
    expect(promptOf(before)).toBe(prompt);
  });

  test.each(['', '   ', '\n\n', '\u00a0'])('has nothing to ask after %j', (before) => {
    expect(continuationRequest(before, false, 100)).toBeUndefined();
  });

  test('takes the last characters, from a word on', () => {
    const words = 'lapis lazuli is a deep blue stone '.repeat(200);
    const prompt = promptOf(words) as string;
    expect(prompt.length).toBeGreaterThan(1_900);
    expect(prompt.length).toBeLessThanOrEqual(2_000);
    expect(words.trimEnd().endsWith(` ${prompt}`)).toBe(true);
  });

  test('cuts a text without spaces, but not a character', () => {
    expect(promptOf('a'.repeat(300), false, 200)).toBe('a'.repeat(200));
    expect(promptOf(`${'💙'.repeat(200)}a`, false, 200)).toBe(`${'💙'.repeat(99)}a`);
  });
});

describe('ContinuationText', () => {
  const write = (before: string, pieces: string[], singleLine = false) => {
    const text = new ContinuationText(before, singleLine);
    return pieces.map((piece) => text.push(piece));
  };

  test('gives each piece on as it comes', () => {
    expect(write('The sky is', [' blue', ' and', ' wide', '.'])).toEqual([' blue', ' and', ' wide', '.']);
  });

  test('does not double the space that the field has', () => {
    expect(write('The sky is ', [' blue', ' and'])).toEqual(['blue', ' and']);
    expect(write('The sky is\u00a0', ['', ' blue'])).toEqual(['', 'blue']);
    expect(write('The sky is ', ['blue'])).toEqual(['blue']);
  });

  test('holds white space back until something follows', () => {
    expect(write('One', [',\n', 'two', ' ', '\n'])).toEqual([',', '\ntwo', '', '']);
    expect(write('One', ['\n', ' ', 'two'])).toEqual(['', '', '\n two']);
  });

  test('keeps a single-line field on its line and control characters out', () => {
    expect(write('One', ['\ntwo\r\nthree'], true)).toEqual([' two three']);
    expect(write('One', ['\u0000\u0007 two\tthree\u001b[0m'])).toEqual([' two\tthree[0m']);
  });
});
