import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openConsentWindows } from './consent.ts';

const OWN = 'p'.repeat(32);
const OFFSCREEN = { id: OWN, origin: `chrome-extension://${OWN}` };
const ASK = { lapis: 'ask-consent' };

type Listener = (message: unknown, sender: object, respond: (answer: unknown) => void) => boolean;

/** The browser's windows, which the test opens and closes. */
function setUp() {
  let onMessage: Listener = () => false;
  const closing = new Set<(id: number) => void>();
  const create = vi.fn<() => Promise<{ id: number }>>(async () => ({ id: 7 }));
  vi.stubGlobal('chrome', {
    runtime: {
      id: OWN,
      onMessage: {
        addListener(listener: Listener) {
          onMessage = listener;
        },
      },
    },
    windows: {
      create,
      onRemoved: {
        addListener: (listener: (id: number) => void) => closing.add(listener),
        removeListener: (listener: (id: number) => void) => closing.delete(listener),
      },
    },
  });
  openConsentWindows();
  const answers: unknown[] = [];
  const ask = (message: unknown = ASK, sender: object = OFFSCREEN) =>
    onMessage(message, sender, (answer) => answers.push(answer));
  const close = (id: number) => {
    for (const listener of closing) listener(id);
  };
  return { create, ask, close, closing, answers };
}

describe('the opener of consent windows', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });
  const settle = () => vi.advanceTimersByTimeAsync(0);

  test('answers when its window is closed, not when another is', async () => {
    const { ask, close, closing, answers } = setUp();
    expect(ask()).toBe(true);
    await settle();
    close(6);
    await settle();
    expect(answers).toEqual([]);
    close(7);
    await settle();
    expect(answers).toEqual(['closed']);
    expect(closing.size).toBe(0);
  });

  test('misses no window that is gone before the browser has named it', async () => {
    const { create, ask, close, answers } = setUp();
    create.mockImplementation(async () => {
      close(7);
      return { id: 7 };
    });
    ask();
    await settle();
    expect(answers).toEqual(['closed']);
  });

  test('says at once that the browser refuses the window', async () => {
    const { create, ask, closing, answers } = setUp();
    create.mockRejectedValue(new Error('No window.'));
    ask();
    await settle();
    expect(answers).toEqual(['refused']);
    expect(closing.size).toBe(0);
  });

  test.each([
    ['another extension', ASK, { id: 'a'.repeat(32), origin: `chrome-extension://${'a'.repeat(32)}` }],
    ['a tab of its own', ASK, { ...OFFSCREEN, tab: { id: 1 } }],
    ['a site', ASK, { id: OWN, origin: 'https://example.com' }],
    ['another message', { lapis: 'other' }, OFFSCREEN],
    ['nothing', null, OFFSCREEN],
  ])('opens nothing for %s', (_, message, sender) => {
    const { create, ask } = setUp();
    expect(ask(message, sender)).toBe(false);
    expect(create).not.toHaveBeenCalled();
  });
});
