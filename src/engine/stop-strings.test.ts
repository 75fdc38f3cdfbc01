import { describe, expect, test } from 'vitest';
import { StopStrings } from './stop-strings.ts';

function run(stops: string[], pieces: string[]): { said: string[]; stopped: boolean } {
  const filter = new StopStrings(stops);
  const said: string[] = [];
  for (const piece of pieces) {
    const { text, stopped } = filter.push(piece);
    said.push(text);
    if (stopped) return { said, stopped };
  }
  said.push(filter.flush());
  return { said, stopped: false };
}

describe('stop strings', () => {
  test('pass everything at once when there are none', () => {
    expect(run([], ['a', 'b'])).toEqual({ said: ['a', 'b', ''], stopped: false });
  });

  test('cut exactly, within a piece and across pieces', () => {
    expect(run(['\n\n'], ['one\n\ntwo'])).toEqual({ said: ['one'], stopped: true });
    expect(run(['\n\n'], ['one\n', '\ntwo'])).toEqual({ said: ['one', ''], stopped: true });
    expect(run(['END'], ['a E', 'N', 'D b'])).toEqual({ said: ['a ', '', ''], stopped: true });
  });

  test('are held back while they may still come, and said when they do not', () => {
    expect(run(['END'], ['a E', 'N', 'E', 'x'])).toEqual({ said: ['a ', '', 'EN', 'Ex', ''], stopped: false });
    expect(run(['aab'], ['a', 'a', 'a', 'b'])).toEqual({ said: ['', '', 'a', ''], stopped: true });
    expect(run(['END'], ['a EN'])).toEqual({ said: ['a ', 'EN'], stopped: false });
  });

  test('cut at the same place however the text was split', () => {
    const text = 'xabcabdabe';
    for (const stops of [['abd', 'abe'], ['b', 'abc'], ['cab', 'abca', 'bc'], ['abcabx', 'cabd'], ['zz']]) {
      const whole = run(stops, [text]);
      for (let at = 1; at < text.length; at++) {
        const split = run(stops, [text.slice(0, at), text.slice(at)]);
        expect(split.said.join('')).toBe(whole.said.join(''));
        expect(split.stopped).toBe(whole.stopped);
      }
      expect(run(stops, [...text]).said.join('')).toBe(whole.said.join(''));
    }
  });

  test('of two that end together the longer counts', () => {
    expect(run(['b', 'ab'], ['xab'])).toEqual({ said: ['x'], stopped: true });
  });
});
