import { readFile } from 'node:fs/promises';
import { LapisError } from '../src/protocol/errors.ts';
import { UsageError } from './usage-error.ts';

/** The value of a flag that must be there. */
export function required(name: string, value: string | undefined): string {
  if (value === undefined) throw new UsageError(`--${name} is missing.`);
  return value;
}

/** A flag's number from `from` to `to`; undefined stays undefined. */
export function numberFlag(
  name: string,
  value: string | undefined,
  { from, to = Number.MAX_VALUE, whole = false }: { from: number; to?: number; whole?: boolean },
): number | undefined {
  if (value === undefined) return undefined;
  const number = value.trim() === '' ? Number.NaN : Number(value);
  if (!(number >= from && number <= to) || (whole && !Number.isSafeInteger(number))) {
    const range = to === Number.MAX_VALUE ? `of at least ${from}` : `from ${from} to ${to}`;
    throw new UsageError(`--${name} takes a ${whole ? 'whole ' : ''}number ${range}, not "${value}".`);
  }
  return number;
}

/**
 * The value of `--tokens`: ids separated by commas, or `@FILE` with the same. Wrong usage for what is no id; `bad-request` for one
 * beyond the vocabulary.
 */
export async function tokensFlag(value: string | undefined, vocabularySize: number): Promise<number[]> {
  const given = required('tokens', value);
  const list = given.startsWith('@') ? await readFile(given.slice(1), 'utf8') : given;
  if (list.trim() === '') return [];
  return list.split(',').map((item) => {
    const text = item.trim();
    if (!/^\d+$/.test(text)) throw new UsageError(`--tokens takes ids separated by commas; "${text}" is none.`);
    const id = Number(text);
    if (id >= vocabularySize) {
      throw new LapisError('bad-request', `Token id ${text} is not in the vocabulary of ${vocabularySize} tokens.`);
    }
    return id;
  });
}

/** The one MODEL argument of a command. */
export function modelArgument(positionals: string[]): string {
  if (positionals.length !== 1) {
    throw new UsageError(positionals.length === 0 ? 'Which MODEL?' : `One MODEL, not ${positionals.length}.`);
  }
  return positionals[0];
}
