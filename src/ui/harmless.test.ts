import { describe, expect, test } from 'vitest';
import { harmless, harmlessly } from './harmless.ts';

describe('text from files and servers', () => {
  test.each([
    ['an override that turns the rest around', 'safe\u202egpj.fugg', 'safegpj.fugg'],
    ['isolates and marks of direction', '\u2066a\u2069\u200eb\u200f\u061c', 'ab'],
    ['control characters and line breaks', 'a\u0000\u001b[31m\r\n\tb\u2028c', 'a [31m b c'],
    ['what takes no room', 'Ge\u200bm\u2060ma\ufeff\u{e0041}\u00ad', 'Gemma'],
    ['marks piled up', `e${'\u0301'.repeat(40)}x`, 'e\u0301\u0301\u0301x'],
    ['half a character', 'a\ud83db', 'a b'],
    ['blanks at the ends', '  Gemma  3 ', 'Gemma 3'],
  ])('loses %s', (_, text, shown) => {
    expect(harmless(text)).toBe(shown);
  });

  test.each(['Gemma 3 1B', '<img src=x onerror=alert(1)>', 'שלום', 'می‌خواهم', '👩‍💻', 'नमस्ते', 'e\u0301'])(
    'keeps %s',
    (text) => {
      expect(harmless(text)).toBe(text);
    },
  );

  test('is not endless, and no character is cut in half', () => {
    expect(harmless('🙂'.repeat(2_000))).toBe(`${'🙂'.repeat(499)}…`);
    expect([...harmless('x'.repeat(10_000_000), 5)]).toHaveLength(5);
  });

  test('is cleaned wherever it stands in a status, but ids and addresses go back as they came', () => {
    const id = 'file:\u202eevil';
    expect(
      harmlessly({
        loadedModelId: id,
        notices: [{ at: 1, text: 'a\u202eb' }],
        downloads: [{ modelId: id, name: 'n'.repeat(500), error: { code: 'network', message: 'c\u0007d' } }],
        storage: { usedBytes: 1, freeBytes: undefined },
        license: { name: 'l\u200b', url: 'https://example.com/\u200b' },
        none: null,
      }),
    ).toEqual({
      loadedModelId: id,
      notices: [{ at: 1, text: 'ab' }],
      downloads: [{ modelId: id, name: `${'n'.repeat(119)}…`, error: { code: 'network', message: 'c d' } }],
      storage: { usedBytes: 1, freeBytes: undefined },
      license: { name: 'l', url: 'https://example.com/\u200b' },
      none: null,
    });
  });
});
