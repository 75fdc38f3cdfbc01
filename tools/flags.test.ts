import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LapisError } from '../src/protocol/errors.ts';
import { modelArgument, numberFlag, required, tokensFlag } from './flags.ts';
import { UsageError } from './usage-error.ts';

describe('flags', () => {
  test('numbers within their range', () => {
    expect(numberFlag('seed', undefined, { from: 0 })).toBeUndefined();
    expect(numberFlag('seed', '42', { from: 0, whole: true })).toBe(42);
    expect(numberFlag('top-p', '0.9', { from: 0, to: 1 })).toBe(0.9);
  });

  test.each(['', ' ', 'x', '-1', '1.5', 'NaN', 'Infinity', '1e999', '9007199254740993'])(
    'refuses "%s" for a whole number',
    (value) => {
      expect(() => numberFlag('max-tokens', value, { from: 1, whole: true })).toThrow(UsageError);
      expect(() => numberFlag('max-tokens', value, { from: 1, whole: true })).toThrow(
        `--max-tokens takes a whole number of at least 1, not "${value}".`,
      );
    },
  );

  test('names a range with two ends', () => {
    expect(() => numberFlag('top-p', '2', { from: 0, to: 1 })).toThrow('--top-p takes a number from 0 to 1, not "2".');
  });

  test('tokens from the command line or from a file', async () => {
    expect(await tokensFlag('1, 2,3', 10)).toEqual([1, 2, 3]);
    expect(await tokensFlag('', 10)).toEqual([]);
    const folder = await mkdtemp(join(tmpdir(), 'lapis-flags-'));
    try {
      await writeFile(join(folder, 'ids'), '4,5,\n6\n');
      expect(await tokensFlag(`@${join(folder, 'ids')}`, 10)).toEqual([4, 5, 6]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test.each([undefined, '1,,2', '1;2', '1,x', '-1', '1.0', '0x1'])('refuses %s for tokens', async (value) => {
    await expect(tokensFlag(value, 10)).rejects.toThrow(UsageError);
  });

  test('refuses an id beyond the vocabulary by name', async () => {
    const refusal = tokensFlag('1,10', 10);
    await expect(refusal).rejects.toThrow(LapisError);
    await expect(refusal).rejects.toThrow('Token id 10 is not in the vocabulary of 10 tokens.');
  });

  test('what is missing or too much', () => {
    expect(required('text', '')).toBe('');
    expect(() => required('text', undefined)).toThrow('--text is missing.');
    expect(modelArgument(['a'])).toBe('a');
    expect(() => modelArgument([])).toThrow('Which MODEL?');
    expect(() => modelArgument(['a', 'b'])).toThrow('One MODEL, not 2.');
  });
});
