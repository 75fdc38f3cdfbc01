import { describe, expect, test } from 'vitest';
import { formatBytes, formatMilliseconds, formatRate, formatRemaining } from './format.ts';

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
});
