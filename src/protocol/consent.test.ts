import { afterEach, describe, expect, test, vi } from 'vitest';
import type { ConsentRecord, ConsentStorage } from './consent.ts';
import { openConsents } from './consent.ts';

const ID = 'abcdefghijklmnopabcdefghijklmnop';

function memory(): ConsentStorage {
  const records = new Map<string, ConsentRecord>();
  return {
    get: async (id) => records.get(id),
    update: async (id, updater) => void records.set(id, updater(records.get(id))),
    delete: async (id) => void records.delete(id),
    all: async () => [...records.values()],
  };
}

afterEach(() => vi.useRealTimers());

describe('consents', () => {
  test('know nothing of an extension that never asked', async () => {
    const consents = openConsents(memory());
    expect(await consents.get(ID)).toBeUndefined();
    expect(await consents.list()).toEqual([]);
  });

  test('keep the first asking, the uses and the last name through a change of mind', async () => {
    vi.useFakeTimers({ now: 1_000, toFake: ['Date'] });
    const consents = openConsents(memory());
    await consents.decide(ID, true, 'Notes');
    vi.setSystemTime(2_000);
    await consents.countUse(ID);
    await consents.countUse(ID);
    vi.setSystemTime(3_000);
    await consents.decide(ID, false);
    expect(await consents.get(ID)).toEqual({
      id: ID,
      name: 'Notes',
      allowed: false,
      firstAsked: 1_000,
      lastUsed: 2_000,
      requests: 2,
    });
  });

  test('count no use of an extension that is denied or forgotten', async () => {
    const consents = openConsents(memory());
    await consents.countUse(ID);
    expect(await consents.get(ID)).toBeUndefined();
    await consents.decide(ID, false);
    await consents.countUse(ID);
    expect((await consents.get(ID))?.requests).toBe(0);
    await consents.forget(ID);
    expect(await consents.get(ID)).toBeUndefined();
  });

  test('list the last used first', async () => {
    vi.useFakeTimers({ now: 1_000, toFake: ['Date'] });
    const consents = openConsents(memory());
    for (const id of ['a', 'b', 'c']) {
      await consents.decide(id, true);
      vi.setSystemTime(Date.now() + 1_000);
    }
    await consents.countUse('a');
    expect((await consents.list()).map(({ id }) => id)).toEqual(['a', 'c', 'b']);
  });

  test('tell other contexts of a decision until they stop listening', async () => {
    const storage = memory();
    const here = openConsents(storage);
    const there = openConsents(storage);
    const heard: string[] = [];
    const listening = new AbortController();
    there.onChange((id) => heard.push(id), listening.signal);
    await here.decide(ID, true);
    await vi.waitFor(() => expect(heard).toEqual([ID]));
    await here.forget(ID);
    await vi.waitFor(() => expect(heard).toEqual([ID, ID]));
    listening.abort();
    await here.decide(ID, true);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(heard).toEqual([ID, ID]);
  });
});
