import { expect, test } from 'vitest';
import { smallModel } from '../../src/gpu/testing/small-model.ts';
import { drawCurves } from './draw-curves.ts';
import { measureCurves } from './measure-curves.ts';

test('curves are measured at every length and drawn with a point for each', async () => {
  const lengths = [64, 128, 512];
  const source = smallModel();
  const curves = await measureCurves(source, { lengths, decodeTokens: 4, runs: 1, floorBytes: 2 ** 24 });
  for (const points of [curves.decode, curves.prefill, curves.memory]) {
    expect(points.map(({ tokens }) => tokens)).toEqual(lengths);
  }
  expect(curves.prefill[2].ms).toBeGreaterThan(curves.prefill[0].ms);
  expect(curves.decode.every(({ ms, floorMs }) => ms > 0 && floorMs > 0)).toBe(true);
  expect(curves.decode[2].floorMs).toBeGreaterThan(curves.decode[0].floorMs);
  // Keys and values of the global layer, as halves, and the rest that has a place for each position.
  const grown = curves.memory[2].bytes - curves.memory[0].bytes;
  expect(grown).toBeGreaterThan((512 - 64) * 2 * 32 * 2);

  const svg = drawCurves(curves);
  expect(svg.match(/<circle /g)).toHaveLength(9);
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  expect(svg).toContain('small on ');
});

test('a value stands where its axis says', () => {
  const points = [1024, 32768].map((tokens) => ({ tokens, ms: tokens / 1024, floorMs: 1, bytes: 1e9 }));
  const adapter = { vendor: 'v', architecture: 'a', description: 'A < B' };
  const curves = {
    date: '2026-01-31',
    adapter,
    model: 'm',
    floorGBps: 1,
    decode: points,
    prefill: points,
    memory: points,
  };
  const svg = drawCurves(curves);
  // 32 ms at 32k, with ticks of 10 ms: 80 % of the way up, and all the way to the right.
  expect(svg).toContain('<circle class="dot" cx="280" cy="85.6" r="3"/>');
  expect(svg).toContain('A &lt; B');
  expect(svg).toContain('>32 ms</text>');
});
