import { expect, test } from 'vitest';
import { printable } from './printable.ts';

test.each([
  ['blk.0.attn_q.weight', 'blk.0.attn_q.weight'],
  ['Modèle 模型 😀 <b>', 'Modèle 模型 😀 <b>'],
  ['', ''],
  ['a\nb\r\tc\0', 'a\\u000ab\\u000d\\u0009c\\u0000'],
  ['\u001b[2J\u009b', '\\u001b[2J\\u009b'],
  ['safe\u202egnp.exe', 'safe\\u202egnp.exe'],
  ['a\u2066b\u2069\u200b\ufeff\u00ad', 'a\\u2066b\\u2069\\u200b\\ufeff\\u00ad'],
  ['a\u2028b\u2029c', 'a\\u2028b\\u2029c'],
  ['\ud83d x \ude00', '\\ud83d x \\ude00'],
  ['\u{e0041}', '\\u{e0041}'],
])('%j is shown as %j', (text, shown) => {
  expect(printable(text)).toBe(shown);
});

test('a long text is cut, and never inside a character', () => {
  expect(printable('x'.repeat(100))).toBe('x'.repeat(100));
  expect(printable('x'.repeat(64 * 1024))).toBe(`${'x'.repeat(100)}…`);
  expect(printable('\u202e'.repeat(100))).toBe(`${'\\u202e'.repeat(16)}…`);
  expect(printable('ab😀c', 3)).toBe('ab…');
  expect(printable('ab😀c', 4)).toBe('ab😀…');
});
