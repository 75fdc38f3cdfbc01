import { createHash } from 'node:crypto';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { connectLapis } from '../../src/client/index.ts';
import type { DoorEvent } from '../../src/protocol/door.ts';
import type { Headless } from '../../src/ui/headless/headless.ts';
import type { Lapis } from './harness.ts';
import { DIST, findChromium, launchLapis } from './harness.ts';

/* Another extension at the door: refused, asked about, allowed, answered, and sent away again. */

const TEXT = 'The color of the sky is';
const LONG = { prompt: { kind: 'completion', text: TEXT }, maxTokens: 12 } as const;

interface Talk {
  heard: DoorEvent[];
  closed: boolean;
  reason?: string;
}

type Talker = (lapisId: string, messages: unknown[], options?: object) => Promise<Talk>;

/** The id that Chrome gives an unpacked extension without a key: 128 bits of its path's hash in the letters a to p. */
function idOfUnpacked(path: string): string {
  const hex = createHash('sha256').update(path).digest('hex').slice(0, 32);
  return [...hex].map((digit) => String.fromCharCode(97 + Number.parseInt(digit, 16))).join('');
}

describe.skipIf(!findChromium())('another extension', { timeout: 180_000 }, () => {
  let lapis: Lapis;
  let folder: string;
  let secondId: string;
  let page: Page;
  let answer: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lapis-second-'));
    await cp(resolve(import.meta.dirname, '../fixtures/second-extension'), folder, { recursive: true });
    await build({
      configFile: resolve(import.meta.dirname, '../../src/client/vite.config.ts'),
      logLevel: 'error',
      build: { outDir: folder, emptyOutDir: false },
    });
    secondId = idOfUnpacked(folder);
    const both = `${process.env.LAPIS_DIST ?? DIST},${folder}`;
    lapis = await launchLapis({ args: [`--disable-extensions-except=${both}`, `--load-extension=${both}`] });
  });
  afterAll(async () => {
    await lapis?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const open = async () => {
    page = await lapis.context.newPage();
    await page.goto(`chrome-extension://${secondId}/page.html`);
    await expect.poll(() => page.evaluate('typeof talk')).toBe('function');
  };

  /** Talks by hand, as an author without the library would. */
  const talk = (messages: unknown[], options: object = {}) =>
    page.evaluate(
      ([id, messages, options]) => (globalThis as unknown as { talk: Talker }).talk(id, messages, options),
      [lapis.extensionId, messages, options] as [string, unknown[], object],
    );

  const generate = (request: unknown = LONG, id = 'a') => ({ type: 'generate', id, request, name: 'Second' });
  const textOf = (events: DoorEvent[]) => events.map((event) => (event.type === 'text' ? event.text : '')).join('');
  const errorOf = (events: DoorEvent[]) => {
    const last = events.at(-1);
    return last?.type === 'error' ? last.error : undefined;
  };

  /** The consent window, once it is there. */
  const consentWindow = async () => {
    const isConsent = (candidate: Page) => candidate.url().includes('/src/ui/consent/');
    const there = lapis.context.pages().find(isConsent);
    return there ?? lapis.context.waitForEvent('page', { predicate: isConsent, timeout: 20_000 });
  };
  const windows = () => lapis.context.pages().filter((candidate) => candidate.url().includes('/src/ui/consent/'));

  /** What the person does in the settings. */
  async function forget(): Promise<void> {
    const settings = await lapis.openPage('src/ui/options/index.html');
    await settings.getByRole('button', { name: /^Forget / }).click();
    await expect.poll(() => settings.getByRole('button', { name: /^Forget / }).count()).toBe(0);
    await settings.close();
  }

  test('connects cold, before anything of Lapis runs, and learns that nobody has been asked', async () => {
    await open();
    expect((await lapis.targets()).some(({ url }) => url.endsWith('/offscreen.html'))).toBe(false);
    const { heard } = await talk([{ type: 'status', id: 's' }], { wake: false });
    expect(heard).toEqual([{ type: 'status', id: 's', version: 1, permission: 'unasked' }]);
    expect(windows()).toEqual([]);
  });

  test('is asked about in a window that says who it is, and closing the window denies', async () => {
    const asking = talk([generate()]);
    const consent = await consentWindow();
    await consent.getByText(secondId, { exact: true }).waitFor();
    await consent.getByText('“Second”').waitFor();
    expect(await consent.getByRole('button', { name: 'Allow' }).isDisabled()).toBe(true);
    await expect.poll(() => consent.getByRole('button', { name: 'Allow' }).isEnabled()).toBe(true);
    await consent.evaluate(axe.source);
    const { violations } = await consent.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run());
    expect(violations).toEqual([]);
    await consent.close();
    const { heard } = await asking;
    expect(heard.some((event) => event.type === 'waiting' && event.for === 'permission')).toBe(true);
    expect(errorOf(heard)).toMatchObject({ code: 'not-allowed' });
    expect(errorOf(heard)?.message).toContain('has not allowed this extension');
  });

  test('is refused without another window from then on', async () => {
    const { heard } = await talk([generate()]);
    expect(heard.map(({ type }) => type)).toEqual(['error']);
    expect(errorOf(heard)).toMatchObject({ code: 'not-allowed' });
    expect(windows()).toEqual([]);
  });

  test('gets a streamed answer once the person has allowed it, by keyboard alone', async () => {
    await forget();
    const asking = talk([generate()]);
    const consent = await consentWindow();
    const allow = consent.getByRole('button', { name: 'Allow' });
    await expect.poll(() => allow.isEnabled()).toBe(true);
    for (let step = 0; step < 5 && !(await allow.evaluate((button) => button === document.activeElement)); step++) {
      await consent.keyboard.press('Tab');
    }
    await consent.keyboard.press('Enter').catch(() => {
      // The window closes in the middle of the key.
    });
    const { heard } = await asking;
    expect(heard.at(-1)).toMatchObject({ type: 'end', id: 'a' });
    expect(heard.filter(({ type }) => type === 'text').length).toBeGreaterThan(0);
    expect(heard.filter(({ type }) => type === 'start')).toHaveLength(1);

    const headless = await lapis.openHeadless();
    answer = await headless.evaluate(async (request) => {
      const { lapis } = globalThis as unknown as { lapis: Headless };
      return (await lapis.generate(request)).map((event) => (event.type === 'text' ? event.text : '')).join('');
    }, LONG);
    await headless.close();
    expect(answer).toMatch(/^ blue/);
    expect(textOf(heard)).toBe(answer);
  });

  test('is in the settings with its id, its name and its use', async () => {
    const settings = await lapis.openPage('src/ui/options/index.html');
    await settings.getByText(secondId).waitFor();
    await settings.getByText('1 request', { exact: false }).waitFor();
    await settings.close();
  });

  test('hears one sentence about each message that does not fit', async () => {
    for (const message of [null, 'generate', { type: 'eval', id: 'x' }, generate({ prompt: 'text' })]) {
      const { heard } = await talk([message]);
      expect(heard).toHaveLength(1);
      expect(errorOf(heard)).toMatchObject({ code: 'bad-request' });
    }
    const { heard } = await talk([{ type: 'status', id: 's' }], { name: 'lapis/9' });
    expect(errorOf(heard)).toMatchObject({ code: 'unsupported' });
  });

  test('has one request at a time on a connection, and may cancel it', async () => {
    const { heard } = await talk([generate(LONG, 'one'), generate(LONG, 'two'), { type: 'cancel', id: 'one' }]);
    expect(heard.find((event) => event.id === 'two')).toMatchObject({ type: 'error', error: { code: 'busy' } });
    const { heard: cancelled } = await talk([generate(LONG, 'one'), { type: 'cancel', id: 'one' }]);
    expect(cancelled.at(-1)).toMatchObject({ type: 'end', id: 'one', finishReason: 'abort' });
  });

  test('gets the same through the client library', async () => {
    const result = await page.evaluate(
      async ([id, request]) => {
        const page = globalThis as unknown as { loadClient(): Promise<{ connectLapis: typeof connectLapis }> };
        const client = await page.loadClient();
        const lapis = await client.connectLapis(id, { name: 'Second' });
        const types: string[] = [];
        for await (const { type } of lapis.generate(request)) types.push(type);
        const stop = new AbortController();
        let stopped = '';
        try {
          for await (const _ of lapis.generate(request, { signal: stop.signal })) stop.abort();
        } catch (error) {
          stopped = (error as { code: string }).code;
        }
        const absent = await client.connectLapis('a'.repeat(32)).catch((error: { code: string }) => error.code);
        return { text: await lapis.complete(request), types, stopped, absent, status: await lapis.status() };
      },
      [lapis.extensionId, LONG] as const,
    );
    expect(result.text).toBe(answer);
    expect(result.types.at(-1)).toBe('end');
    expect(result.stopped).toBe('aborted');
    expect(result.absent).toBe('peer-lost');
    expect(result.status).toMatchObject({ version: 1, permission: 'allowed', model: { loaded: true } });
  });

  /** Improbable words, so that the answer goes on for long. */
  const RAMBLE = { ...LONG, maxTokens: 40, sampling: { temperature: 3, seed: 1 } };
  const heardTypes = () =>
    page.evaluate(() => (globalThis as unknown as { heard?: DoorEvent[] }).heard?.map(({ type }) => type));
  const firstWords = () => expect.poll(heardTypes, { timeout: 40_000 }).toContain('text');

  test("reads its answer to the end beyond the service worker's death", async () => {
    await page.evaluate('globalThis.heard = undefined');
    const talking = talk([generate(RAMBLE)]);
    await firstWords();
    await lapis.killServiceWorker();
    const serviceWorkers = (await lapis.targets()).filter(({ type }) => type === 'service_worker');
    expect(serviceWorkers).toEqual([]);
    const { heard } = await talking;
    expect(heard.at(-1)).toMatchObject({ type: 'end', id: 'a' });
  });

  test('gets an error when the engine dies in the middle, and an answer from the next', async () => {
    await page.evaluate('globalThis.heard = undefined');
    const talking = talk([generate(RAMBLE)]);
    await firstWords();
    await lapis.killEngineWorker();
    const { heard } = await talking;
    expect(errorOf(heard)).toMatchObject({ code: 'peer-lost' });
    const { heard: again } = await talk([generate()]);
    expect(textOf(again)).toBe(answer);
  });

  test('is sent away when the person takes the permission back', async () => {
    const settings = await lapis.openPage('src/ui/options/index.html');
    await settings.getByRole('button', { name: /^Refuse / }).click();
    await settings.getByRole('button', { name: /^Allow / }).waitFor();
    await settings.close();
    const { heard } = await talk([generate()]);
    expect(errorOf(heard)).toMatchObject({ code: 'not-allowed' });
    expect(windows()).toEqual([]);
  });

  test('a web page cannot knock at all, nor find out that Lapis is there', async () => {
    await lapis.context.route('https://web.test/**', (route) =>
      route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }),
    );
    const web = await lapis.context.newPage();
    await web.goto('https://web.test/');
    expect(await web.evaluate('typeof globalThis.chrome?.runtime?.connect')).toBe('undefined');
    const found = await web.evaluate(
      (id) =>
        fetch(`chrome-extension://${id}/src/page/main.js`).then(
          () => 'there',
          () => 'hidden',
        ),
      lapis.extensionId,
    );
    expect(found).toBe('hidden');
    await web.close();
  });
});
