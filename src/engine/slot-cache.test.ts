import { describe, expect, test } from 'vitest';
import { SlotCache } from './slot-cache.ts';
import { FakeModel } from './testing/fake-model.ts';

const upTo = (count: number, offset = 0) => Array.from({ length: count }, (_, i) => i + offset);

async function fill(cache: SlotCache, model: FakeModel, tokens: number[]): Promise<number> {
  const lease = cache.acquire(tokens)!;
  await model.prefill(lease.slot, tokens.slice(lease.reused));
  cache.release(lease, tokens);
  return lease.slot;
}

describe('slots', () => {
  test('a longer prompt goes on in the slot that holds its beginning', async () => {
    const model = new FakeModel({ next: () => 0 });
    const cache = new SlotCache(model);
    const slot = await fill(cache, model, upTo(20));
    expect(cache.acquire(upTo(30))).toEqual({ slot, reused: 20 });
    expect(model.log.filter(({ call }) => call === 'rewind')).toEqual([]);
  });

  test('the same prompt again prefills its last token only', async () => {
    const model = new FakeModel({ next: () => 0 });
    const cache = new SlotCache(model);
    const slot = await fill(cache, model, upTo(20));
    expect(cache.acquire(upTo(20))).toEqual({ slot, reused: 19 });
    expect(model.position(slot)).toBe(19);
  });

  test('the slot with the longest common beginning is taken', async () => {
    const model = new FakeModel({ next: () => 0 });
    const cache = new SlotCache(model);
    await fill(cache, model, [...upTo(20), ...upTo(5, 500)]);
    const lease = cache.acquire([1])!;
    await model.prefill(lease.slot, [...upTo(22), 600]);
    cache.release(lease, [...upTo(22), 600]);
    expect(cache.acquire(upTo(30))).toEqual({ slot: lease.slot, reused: 22 });
  });

  test('a few common tokens are not worth another conversation', async () => {
    const model = new FakeModel({ next: () => 0 });
    const cache = new SlotCache(model);
    const first = await fill(cache, model, upTo(20));
    const second = cache.acquire([...upTo(4), 900, 901])!;
    expect(second.slot).not.toBe(first);
    expect(second.reused).toBe(0);
  });

  test('where the model cannot rewind, the prompt is prefilled from the start elsewhere', async () => {
    const model = new FakeModel({ next: () => 0, rewindReach: 3 });
    const cache = new SlotCache(model);
    const first = await fill(cache, model, upTo(40));
    const second = cache.acquire([...upTo(20), 900])!;
    expect(second).toEqual({ slot: second.slot, reused: 0 });
    expect(second.slot).not.toBe(first);
    expect(model.position(first)).toBe(40);
  });

  test('the longest unused slot is emptied when all are taken, and leased ones are left alone', async () => {
    const model = new FakeModel({ next: () => 0, slotCount: 2 });
    const cache = new SlotCache(model);
    const first = await fill(cache, model, upTo(20));
    await fill(cache, model, upTo(20, 100));
    expect(cache.acquire(upTo(20, 200))).toEqual({ slot: first, reused: 0 });
    expect(model.position(first)).toBe(0);
    expect(cache.acquire(upTo(20, 300))).toBeDefined();
    expect(cache.acquire(upTo(20, 400))).toBeUndefined();
  });

  test('what is not known is forgotten on release, and the slot closed where that cannot be', async () => {
    const model = new FakeModel({ next: () => 0, rewindReach: 3 });
    const cache = new SlotCache(model);
    const lease = cache.acquire(upTo(20))!;
    await model.prefill(lease.slot, upTo(20));
    cache.release(lease, upTo(18));
    expect(model.position(lease.slot)).toBe(18);
    const again = cache.acquire(upTo(30))!;
    await model.prefill(again.slot, upTo(12, 18));
    cache.release(again, upTo(10));
    expect(model.openSlots).toBe(0);
  });
});
