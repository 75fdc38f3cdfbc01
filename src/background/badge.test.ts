import { set as keep } from 'idb-keyval';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { DownloadBadge } from '../protocol/download-badge.ts';
import { BADGE_PORT } from '../protocol/download-badge.ts';
import { DOWNLOADS_KEY } from '../protocol/kept-downloads.ts';
import { showDownloads } from './badge.ts';
import { ensureOffscreenDocument } from './offscreen-document.ts';

const kept = vi.hoisted(() => new Map<string, unknown>());
vi.mock('idb-keyval', () => ({
  get: async (key: string) => kept.get(key),
  set: async (key: string, value: unknown) => void kept.set(key, value),
}));
vi.mock('./offscreen-document.ts', () => ({ ensureOffscreenDocument: vi.fn(async () => {}) }));

const OWN = 'p'.repeat(32);
const OFFSCREEN = { id: OWN, origin: `chrome-extension://${OWN}` };

type Listener = (...values: never[]) => void;

/** One listener that the test calls. */
function event() {
  let listener: Listener = () => {};
  return {
    addListener: (added: Listener) => {
      listener = added;
    },
    say: (...values: unknown[]) => listener(...(values as never[])),
  };
}

/** A service worker that starts, with the toolbar icon as it then looks. */
async function start() {
  const events = { onConnect: event(), onStartup: event(), onInstalled: event() };
  const icon = { text: '', title: '', color: '' };
  vi.stubGlobal('chrome', {
    runtime: { id: OWN, ...events },
    i18n: { getMessage: (name: string, values: string[] = []) => [name, ...values].join(' ') },
    action: {
      setBadgeText: async ({ text }: { text: string }) => void Object.assign(icon, { text }),
      setTitle: async ({ title }: { title: string }) => void Object.assign(icon, { title }),
      setBadgeBackgroundColor: async ({ color }: { color: string }) => void Object.assign(icon, { color }),
      setBadgeTextColor: async () => {},
    },
  });
  showDownloads();
  await settle();
  const connect = (sender: object = OFFSCREEN, name = BADGE_PORT) => {
    const port = { name, sender, onMessage: event(), onDisconnect: event() };
    events.onConnect.say(port);
    return { say: (badge?: DownloadBadge) => port.onMessage.say({ badge }), die: () => port.onDisconnect.say() };
  };
  return { icon, connect, ...events };
}

const badge = (state: DownloadBadge['state']): DownloadBadge => ({ state, name: 'Gemma', percent: 45 });
const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

beforeEach(() => {
  kept.clear();
  vi.mocked(ensureOffscreenDocument).mockClear();
});
afterEach(() => vi.unstubAllGlobals());

describe('the toolbar icon', () => {
  test('shows each state in its own way, and nothing at the end', async () => {
    const { icon, connect } = await start();
    const { say } = connect();
    const texts: string[] = [];
    for (const state of ['downloading', 'preparing', 'paused', 'failed'] as const) {
      say(badge(state));
      texts.push(icon.text);
    }
    expect(texts[0]).toBe('45%');
    expect(new Set(texts).size).toBe(4);
    expect(Math.max(...texts.map((text) => text.length))).toBeLessThanOrEqual(4);
    expect(icon.title).toBe('badgeFailed Gemma 45');
    say(undefined);
    expect(icon).toMatchObject({ text: '', title: 'shortName' });
  });

  test('shows what the offscreen document says, and nobody else', async () => {
    const { icon, connect } = await start();
    connect({ ...OFFSCREEN, tab: { id: 1 } }).say(badge('downloading'));
    connect({ id: 'a'.repeat(32) }).say(badge('downloading'));
    connect(OFFSCREEN, 'lapis/1').say(badge('downloading'));
    expect(icon.text).toBe('');
  });

  test('shows a paused or failed download again after the browser has started', async () => {
    (await start()).connect().say(badge('paused'));
    await settle();
    const again = await start();
    again.onStartup.say();
    await settle();
    expect(again.icon.text).toBe('II');
  });
});

describe('a download that is under way', () => {
  test('goes on when the browser starts', async () => {
    await keep(DOWNLOADS_KEY, [{ paused: true }, { paused: false }]);
    await start();
    expect(ensureOffscreenDocument).toHaveBeenCalledTimes(1);
  });

  test('goes on when the document that worked on it has died', async () => {
    const { connect } = await start();
    const { say, die } = connect();
    await keep(DOWNLOADS_KEY, [{ paused: false }]);
    say(badge('downloading'));
    expect(ensureOffscreenDocument).not.toHaveBeenCalled();
    die();
    await settle();
    expect(ensureOffscreenDocument).toHaveBeenCalledTimes(1);
  });

  test('is not gone on with when it is paused, or there is none', async () => {
    await keep(DOWNLOADS_KEY, [{ paused: true }]);
    const { connect } = await start();
    const { say, die } = connect();
    say(badge('paused'));
    die();
    await settle();
    expect(ensureOffscreenDocument).not.toHaveBeenCalled();
  });
});
