import { describe, expect, test, vi } from 'vitest';
import type { ConsentAsked, ConsentRecord, ConsentStorage } from '../protocol/consent.ts';
import { openConsents } from '../protocol/consent.ts';
import type { DoorPort } from '../protocol/door.ts';
import { portPair } from '../protocol/testing/port-pair.ts';
import { Permissions, presentableName } from './permissions.ts';

const QUESTION = { id: 'a'.repeat(32), name: 'Notes' };

function memory(): ConsentStorage {
  const records = new Map<string, ConsentRecord>();
  return {
    get: async (id) => records.get(id),
    update: async (id, updater) => void records.set(id, updater(records.get(id))),
    delete: async (id) => void records.delete(id),
    all: async () => [...records.values()],
  };
}

const staysOpen = () => new Promise<void>(() => {});

/** Permissions whose windows are opened by the test. */
function setUp(openWindow: () => Promise<void> = staysOpen) {
  const consents = openConsents(memory());
  const open = vi.fn(openWindow);
  const permissions = new Permissions({ consents, openWindow: open, openWithinMs: 50 });
  const window = async (): Promise<{ port: DoorPort; asked: ConsentAsked }> => {
    const [port, server] = portPair('consent');
    const asked = new Promise<ConsentAsked>((resolve) => {
      port.onMessage.addListener((message) => resolve(message as ConsentAsked));
    });
    permissions.serveWindow(server);
    return { port, asked: await asked };
  };
  const ask = (question = QUESTION) => {
    const asking = vi.fn();
    const result = permissions.require(question, asking).then(
      () => 'allowed',
      (error) => error.code,
    );
    return { asking, result };
  };
  const asked = () => vi.waitFor(() => expect(open).toHaveBeenCalled());
  return { consents, permissions, open, window, ask, asked };
}

describe('Permissions', () => {
  test('ask once, and remember a yes', async () => {
    const { permissions, open, window, ask, asked } = setUp();
    const { result, asking } = ask();
    await asked();
    expect(asking).toHaveBeenCalledOnce();
    expect(permissions.asking).toBe(true);
    const { port, asked: seen } = await window();
    expect(seen).toEqual({ question: QUESTION });
    port.postMessage({ allowed: true });
    expect(await result).toBe('allowed');
    expect(permissions.asking).toBe(false);
    expect(await ask().result).toBe('allowed');
    expect(open).toHaveBeenCalledOnce();
  });

  test.each([
    ['a no', (port: DoorPort) => port.postMessage({ allowed: false })],
    ['the window closing', (port: DoorPort) => port.disconnect()],
  ])('take %s as a denial, and remember it', async (_name, deny) => {
    const { consents, open, window, ask, asked } = setUp();
    const { result } = ask();
    await asked();
    deny((await window()).port);
    expect(await result).toBe('not-allowed');
    expect(await ask().result).toBe('not-allowed');
    expect(open).toHaveBeenCalledOnce();
    expect(await consents.get(QUESTION.id)).toMatchObject({ allowed: false, name: 'Notes' });
  });

  test('take the closing of a window that has not connected yet as a denial, at once', async () => {
    let close!: () => void;
    const closed = new Promise<void>((resolve) => {
      close = resolve;
    });
    const { consents, open, ask, asked } = setUp(() => closed);
    const { result } = ask();
    await asked();
    close();
    expect(await result).toBe('not-allowed');
    expect(await consents.get(QUESTION.id)).toMatchObject({ allowed: false });
    expect(await ask().result).toBe('not-allowed');
    expect(open).toHaveBeenCalledOnce();
  });

  test('leave the answer to a window that has connected, though its closing be heard of first', async () => {
    let close!: () => void;
    const closed = new Promise<void>((resolve) => {
      close = resolve;
    });
    const { window, ask, asked } = setUp(() => closed);
    const { result } = ask();
    await asked();
    const { port } = await window();
    close();
    await closed;
    port.postMessage({ allowed: true });
    expect(await result).toBe('allowed');
  });

  test('have one window for many requests of one extension, and none beside it for another', async () => {
    const { open, window, ask, asked } = setUp();
    const first = ask();
    await asked();
    const second = ask();
    expect(await ask({ id: 'b'.repeat(32), name: 'Other' }).result).toBe('busy');
    (await window()).port.postMessage({ allowed: true });
    expect(await Promise.all([first.result, second.result])).toEqual(['allowed', 'allowed']);
    expect(open).toHaveBeenCalledOnce();
  });

  test('take only a proper answer, and only from the window that has the question', async () => {
    const { window, ask, asked } = setUp();
    expect((await window()).asked).toEqual({});
    const { result } = ask();
    await asked();
    const { port } = await window();
    const other = await window();
    expect(other.asked).toEqual({});
    other.port.postMessage({ allowed: true });
    for (const nonsense of [null, true, {}, { allowed: 'yes' }, { allowed: true, more: 1 }]) port.postMessage(nonsense);
    port.postMessage({ allowed: false });
    expect(await result).toBe('not-allowed');
  });

  test('remember nothing when no window comes', async () => {
    for (const openWindow of [staysOpen, () => Promise.reject(new Error('No window.'))]) {
      const { consents, permissions, ask } = setUp(openWindow);
      expect(await ask().result).toBe('internal');
      expect(await consents.get(QUESTION.id)).toBeUndefined();
      expect(permissions.asking).toBe(false);
    }
  });
});

test.each([
  ['Notes', 'Notes'],
  ['  My\n notes\u0000 ', 'My notes'],
  ['\u202Eevil\u2066', 'evil'],
  ['\u200b\u2028', undefined],
  ['', undefined],
  [undefined, undefined],
])('presentableName(%j)', (name, shown) => {
  expect(presentableName(name)).toBe(shown);
});
