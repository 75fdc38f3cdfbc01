import { describe, expect, test, vi } from 'vitest';
import { Notices } from './notices.ts';
import { memoryKeyValue } from './testing/memory-key-value.ts';

const texts = (notices: Notices) => notices.current.map(({ text }) => text);

describe('notices', () => {
  test('are there for the next engine worker until they are dismissed', async () => {
    const keyValue = memoryKeyValue();
    const first = await Notices.open(keyValue);
    first.add(['A was deleted.', 'B was repaired.']);
    first.add(['C was repaired.']);
    await vi.waitFor(async () => expect(texts(await Notices.open(keyValue))).toHaveLength(3));
    const next = await Notices.open(keyValue);
    expect(next.current).toEqual(first.current);
    await next.dismiss([next.current[1].at]);
    expect(texts(next)).toEqual(['A was deleted.', 'C was repaired.']);
    expect(texts(await Notices.open(keyValue))).toEqual(['A was deleted.', 'C was repaired.']);
  });

  test('with the same words are two, of which one can be dismissed, even when the clock was set back', async () => {
    vi.useFakeTimers({ now: 1_000 });
    try {
      const notices = await Notices.open(memoryKeyValue());
      notices.add(['A was repaired.', 'A was repaired.']);
      vi.setSystemTime(500);
      notices.add(['A was repaired.']);
      expect(notices.current.map(({ at }) => at)).toEqual([1_000, 1_001, 1_002]);
      await notices.dismiss([1_001]);
      expect(notices.current.map(({ at }) => at)).toEqual([1_000, 1_002]);
    } finally {
      vi.useRealTimers();
    }
  });

  test('are not without number: the latest stay', async () => {
    const notices = await Notices.open(memoryKeyValue());
    for (let i = 1; i <= 25; i++) notices.add([`${i}`]);
    expect(texts(notices)).toEqual(Array.from({ length: 20 }, (_, i) => `${i + 6}`));
  });

  test('that cannot be kept are there for as long as the engine lives', async () => {
    const set = async () => {
      throw new Error('The disk is full.');
    };
    const notices = await Notices.open({ ...memoryKeyValue(), set });
    notices.add(['A was deleted.', 'B was deleted.']);
    await notices.dismiss([notices.current[0].at]);
    expect(texts(notices)).toEqual(['B was deleted.']);
  });
});
