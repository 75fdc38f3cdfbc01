import { expect, test } from 'vitest';
import { JSON_LIMITS } from './limits.ts';
import { parseUntrustedJson } from './untrusted-json.ts';

function parse(text: string): unknown {
  return parseUntrustedJson(new TextEncoder().encode(text), 'x.json');
}

function refusal(text: string): string {
  try {
    parse(text);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('It was parsed.');
}

test.each([
  '{"a":[1,2.5e3,null,true],"b":{"a":"x"},"c":[{"a":1},{"a":2}]}',
  '"a\\"b\\\\"',
  '{"a\\\\":"\\\\\\"{[","b":"\\u007b"}',
  ' [ ] ',
  '7',
])('%s is what JSON.parse makes of it', (text) => {
  expect(parse(text)).toEqual(JSON.parse(text));
});

test.each([
  '',
  '{',
  '"',
  '"\\',
  '"\\"',
  '{"a":1',
  '{"a"}',
  '{"a\\":1}',
  '}',
  '{"\\x":1}',
  '{"a":1}{"b":1}',
  'NaN',
  '\ufeff{}',
])('%j is not JSON', (text) => expect(refusal(text)).toBe('x.json is not JSON.'));

test.each(['{"a":1,"b":2,"a":3}', '{"a":1,"\\u0061":2}', '{"x":[{"a":{}, "a" : 1}]}', '{"a":1,"b":{"c":1},"a":2}'])(
  '%s names a twice',
  (text) => expect(refusal(text)).toBe('x.json names a twice.'),
);

test('a key like __proto__ is data', () => {
  const value = parse('{"__proto__":{"polluted":1},"constructor":2}') as object;
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  expect(Object.keys(value)).toEqual(['__proto__', 'constructor']);
});

test('is refused before it is built when it is too deep or too large', () => {
  const deep = JSON_LIMITS.depth;
  expect(parse('['.repeat(deep) + ']'.repeat(deep))).toHaveLength(1);
  expect(refusal('['.repeat(deep + 1) + ']'.repeat(deep + 1))).toBe(`x.json is nested more than ${deep} deep.`);
  expect(refusal('{"a":'.repeat(deep + 1))).toBe(`x.json is nested more than ${deep} deep.`);
  expect(refusal(`[${'{},'.repeat(JSON_LIMITS.values / 2)}0]`)).toBe(
    `x.json holds more than ${JSON_LIMITS.values} values.`,
  );
});

test('a key is quoted in a line', () => {
  expect(refusal('{"\\n\\u202e":1,"\\n\\u202e":2}')).toBe('x.json names \\u000a\\u202e twice.');
});
