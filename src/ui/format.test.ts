import { describe, expect, test } from 'vitest';
import {
  formatBytes,
  formatDay,
  formatMilliseconds,
  formatParameters,
  formatRate,
  formatRemaining,
  formatShare,
} from './format.ts';

describe('numbers for a person', () => {
  test('sizes keep three digits and never round to 1000 of a unit', () => {
    expect([0, 512, 9_800_000, 806_058_240, 999_600_000, 1_234_000_000].map(formatBytes)).toEqual([
      '0 bytes',
      '512 bytes',
      '9.80 MB',
      '806 MB',
      '1.00 GB',
      '1.23 GB',
    ]);
  });

  test('times and rates', () => {
    expect([42, 420, 1_250, 12_400].map(formatMilliseconds)).toEqual(['42 ms', '420 ms', '1.3 s', '12 s']);
    expect([0.2, 59, 61, 4_800].map(formatRemaining)).toEqual(['1 s', '59 s', '1 min', '1 h 20 min']);
    expect([3.12, 42.06, 187.6].map(formatRate)).toEqual(['3.1', '42.1', '188']);
  });

  test('parameters', () => {
    expect([8_240_000, 268_098_176, 999_885_952, 3_880_099_328, 27e9].map(formatParameters)).toEqual([
      '8.2 M',
      '268 M',
      '1.0 B',
      '3.9 B',
      '27 B',
    ]);
  });

  test('a share is whole only when all of it is there', () => {
    expect([formatShare(0, 0), formatShare(3, 8), formatShare(9_999, 10_000), formatShare(7, 7)]).toEqual([
      '0 %',
      '37 %',
      '99 %',
      '100 %',
    ]);
  });

  test('days', () => {
    const now = new Date(2026, 4, 20, 0, 30).getTime();
    const at = (day: number, hour: number) => formatDay(new Date(2026, 4, day, hour).getTime(), now);
    expect([at(20, 0), at(19, 23), at(17, 3), at(21, 0)]).toEqual(['today', 'yesterday', '3 days ago', 'today']);
    expect(at(1, 12)).toMatch(/2026/);
  });
});
