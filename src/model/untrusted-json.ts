import * as v from 'valibot';
import { LapisError } from '../protocol/errors.ts';
import { printable } from '../protocol/printable.ts';
import { JSON_LIMITS } from './limits.ts';

const CODE = {
  quote: 34,
  comma: 44,
  colon: 58,
  openArray: 91,
  backslash: 92,
  closeArray: 93,
  openObject: 123,
  closeObject: 125,
};

/** Where the string that begins at `start` ends, behind its quotation mark. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end;
    while (text.charCodeAt(before - 1) === CODE.backslash) before--;
    if ((end - before) % 2 === 0) return end + 1;
  }
  return text.length;
}

/**
 * Goes over a JSON text once before it is parsed. JSON.parse alone would make gigabytes of a few megabytes of brackets, and of a
 * key that stands twice it keeps the last without a word, where another reader may keep the first.
 */
function checkJson(text: string, corrupt: (how: string) => LapisError): void {
  /** Keys of each open object; undefined for an open array. */
  const open: (Set<string> | undefined)[] = [];
  let values = 1;
  let lastString: [start: number, end: number] = [0, 0];
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case CODE.quote:
        lastString = [at, endOfString(text, at)];
        at = lastString[1] - 1;
        break;
      case CODE.openObject:
      case CODE.openArray:
        open.push(text.charCodeAt(at) === CODE.openObject ? new Set() : undefined);
        if (open.length > JSON_LIMITS.depth) throw corrupt(`is nested more than ${JSON_LIMITS.depth} deep`);
        values++;
        break;
      case CODE.closeObject:
      case CODE.closeArray:
        open.pop();
        break;
      case CODE.comma:
        values++;
        break;
      case CODE.colon: {
        const written = text.slice(...lastString);
        const key = written.includes('\\') ? String(JSON.parse(written)) : written.slice(1, -1);
        const keys = open.at(-1);
        if (keys?.has(key)) throw corrupt(`names ${printable(key)} twice`);
        keys?.add(key);
        break;
      }
    }
    if (values > JSON_LIMITS.values) throw corrupt(`holds more than ${JSON_LIMITS.values} values`);
  }
}

/** What the first issue says about a value that does not fit its schema, as the end of a sentence. */
export function describeIssue([issue]: [v.BaseIssue<unknown>, ...v.BaseIssue<unknown>[]]): string {
  return `${printable(v.getDotPath(issue) ?? 'it')} is not as it should be (${printable(issue.message)})`;
}

/**
 * Parses JSON that someone else wrote; `what` names it in errors. Throws `corrupt` for what is no JSON, names a key twice or
 * exceeds JSON_LIMITS.
 */
export function parseUntrustedJson(bytes: Uint8Array, what: string): unknown {
  const corrupt = (how: string, cause?: unknown): LapisError => new LapisError('corrupt', `${what} ${how}.`, { cause });
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  try {
    checkJson(text, corrupt);
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof LapisError) throw error;
    throw corrupt('is not JSON', error);
  }
}
