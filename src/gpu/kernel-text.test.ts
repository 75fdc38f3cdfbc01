import { expect, test } from 'vitest';
import { kernelText } from './kernel-text.ts';

const text = (part: string, constants: Record<string, number> = {}) =>
  kernelText({ label: 'test', constants, parts: [part] })
    .split('\n')
    .at(-1);

test('@unroll writes a loop out, with the number of each turn, and those inside it too', () => {
  expect(text('@unroll for (var s = 0u; s < SUMS; s++) { a[s] = sum(s); }', { SUMS: 2 })).toBe(
    '{ a[0u] = sum(0u); } { a[1u] = sum(1u); }',
  );
  expect(
    text('@unroll for (var i = 0u; i < 2; i++) { @unroll for (var j = 0u; j < 1; j++) { b[i][j] = size; } }'),
  ).toBe('{ { b[0u][0u] = size; } } { { b[1u][0u] = size; } }');
  expect(text('if (x) { @unroll for (var i = 0u; i < 1; i++) { if (y) { z[i]; } } }')).toBe(
    'if (x) { { if (y) { z[0u]; } } }',
  );
});

test('other loops are left alone, and a loop to nothing known is refused by name', () => {
  const loop = 'for (var s = 0u; s < SUMS; s++) { a[s]; }';
  expect(text(loop)).toBe(loop);
  expect(() => text(`@unroll ${loop}`)).toThrow('SUMS');
});
