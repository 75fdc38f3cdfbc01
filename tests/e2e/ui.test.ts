import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ChatMessage } from '../../src/protocol/generation.ts';
import type { TestPages } from '../../src/ui/testing/build-pages.ts';
import { buildTestPages } from '../../src/ui/testing/build-pages.ts';
import type { FakeHost } from '../../src/ui/testing/fake-host.ts';
import type { Scene } from '../../src/ui/testing/open-page.ts';
import { openTestPage } from '../../src/ui/testing/open-page.ts';
import { findChromium } from './harness.ts';

const executablePath = findChromium();
const axeSource = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

const you = (content: string): ChatMessage => ({ role: 'user', content });
const lapis = (content: string): ChatMessage => ({ role: 'assistant', content });
const TIMINGS = { loadMs: 900, prefillMs: 120, firstTokenMs: 412, decodeTokensPerSecond: 48.3 };
const RICH = `# Tea\n\n1. Warm the *pot*.\n   - [x] done\n2. See [here](https://example.com).\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n\`\`\`python\nprint("${'tea '.repeat(30)}")\n\`\`\`\n\n> quiet \`code\``;
const LONG = Array.from({ length: 12 }, (_, turn) => [
  you(`Question ${turn}`),
  lapis(`Answer ${turn}.\n\n${RICH}`),
]).flat();

const GEMMA = 'gemma-3-1b-it-q4_k_m';
const DOWNLOAD = { kind: 'downloading', modelId: GEMMA, bytesDone: 3e8, bytesTotal: 8e8, bytesPerSecond: 1e7 } as const;

const POPUP_SCENES: Record<string, Scene> = {
  empty: {},
  thinking: { chat: { messages: [you('Hello')], generating: true } },
  streaming: { chat: { messages: [you('Hello'), lapis('Hello, how **are**')], generating: true } },
  answer: { chat: { messages: [you('Tea?'), lapis(RICH)], generating: false, timings: TIMINGS } },
  'long conversation': { chat: { messages: LONG, generating: false, timings: TIMINGS } },
  downloading: { status: { activity: DOWNLOAD, notices: ['Gemma 3 1B was removed; 806 MB were freed.'] } },
  'no GPU': { status: { adapter: undefined, error: { code: 'no-gpu', message: 'There is no WebGPU adapter.' } } },
  'software adapter': { status: { softwareAdapter: true } },
  'failed answer': {
    chat: { messages: [you('Hello')], generating: false, error: { code: 'device-lost', message: 'The GPU was lost.' } },
  },
};

const OPTIONS_SCENES: Record<string, Scene> = {
  plain: {},
  busy: {
    status: { activity: DOWNLOAD, notices: ['Gemma 3 270M was removed.'], softwareAdapter: true },
    callers: [
      {
        id: 'abcdefghijklmnopabcdefghijklmnop',
        name: 'Mail',
        allowed: true,
        firstAsked: 1e12,
        lastUsed: 2e12,
        requests: 3,
      },
      { id: 'ponmlkjihgfedcbaponmlkjihgfedcba', allowed: false, firstAsked: 1e12, requests: 0 },
    ],
  },
  failed: { status: { error: { code: 'network', message: 'The download stopped at 300 MB' } } },
};

/** The violations that axe finds, in a form that says what to do. */
async function violations(page: Page, rules?: string[]): Promise<string[]> {
  // Through the debugger, which the page's policy does not bind.
  await page.evaluate(await readFile(axeSource, 'utf8'));
  return page.evaluate(async (rules) => {
    const { axe } = globalThis as never as { axe: typeof import('axe-core') };
    const { violations } = await axe.run(rules ? { runOnly: rules } : {});
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`);
  }, rules);
}

const calls = (page: Page, name: string): Promise<unknown[][]> =>
  page.evaluate(
    (name) =>
      (globalThis as never as Steered).page.host.calls.filter((call) => call.name === name).map(({ args }) => args),
    name,
  );

interface Steered {
  page: { host: FakeHost; platform: { settingsOpened: number } };
}

const say = (page: Page, text: string) =>
  page.evaluate((text) => (globalThis as never as Steered).page.host.say(text), text);
const finish = (page: Page) => page.evaluate(() => (globalThis as never as Steered).page.host.finish());

describe.skipIf(!executablePath)('the pages, around a pretended host', () => {
  let browser: Browser;
  let pages: TestPages;

  beforeAll(async () => {
    pages = await buildTestPages();
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  });
  afterAll(async () => {
    await browser?.close();
    await pages?.remove();
  });

  test.each([
    ...Object.entries(POPUP_SCENES).map(([name, scene]) => ['popup', name, scene] as const),
    ...Object.entries(OPTIONS_SCENES).map(([name, scene]) => ['options', name, scene] as const),
  ])('axe finds nothing: %s, %s', async (kind, _, scene) => {
    await using opened = await openTestPage(browser, pages, kind, scene);
    expect(await violations(opened.page)).toEqual([]);
    // In the dark only the colours differ.
    await opened.page.emulateMedia({ colorScheme: 'dark' });
    expect(await violations(opened.page, ['color-contrast'])).toEqual([]);
    expect(opened.wrong).toEqual([]);
  });

  test('a chat by keyboard alone', async () => {
    await using opened = await openTestPage(browser, pages, 'popup');
    const { page } = opened;
    const input = page.getByRole('textbox');
    expect(await input.evaluate((node) => node === document.activeElement)).toBe(true);

    await page.keyboard.type('first');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('second');
    expect(await calls(page, 'sendChat')).toEqual([]);
    await page.keyboard.press('Enter');
    expect(await calls(page, 'sendChat')).toEqual([['first\nsecond']]);
    await expect.poll(() => input.inputValue()).toBe('');

    // The next message may be written meanwhile, but waits.
    await page.keyboard.type('next');
    await page.keyboard.press('Enter');
    expect(await calls(page, 'sendChat')).toHaveLength(1);

    await say(page, 'One ');
    await page.keyboard.press('Escape');
    expect(await calls(page, 'stopChat')).toHaveLength(1);
    await page.getByRole('button', { name: 'Answer again' }).waitFor();
    await expect.poll(() => input.inputValue()).toBe('next');

    const names: string[] = [];
    await page.locator('select').focus();
    for (let stop = 0; stop < 7; stop += 1) {
      names.push(
        await page.evaluate(() => {
          const at = document.activeElement!;
          const outline = getComputedStyle(at).outlineStyle !== 'none' || at.matches('.composer textarea');
          return `${at.getAttribute('aria-label')}${outline ? '' : ' (no visible focus)'}`;
        }),
      );
      await page.keyboard.press('Tab');
    }
    expect(names).toEqual([
      'Model',
      'New chat',
      'Settings',
      'Conversation',
      'Copy answer',
      'Answer again',
      'Ask anything',
    ]);
    expect(opened.wrong).toEqual([]);
  });

  test('an Enter that ends a composition does not send', async () => {
    await using opened = await openTestPage(browser, pages, 'popup');
    const { page } = opened;
    const session = await page.context().newCDPSession(page);
    await session.send('Input.imeSetComposition', { text: 'にほん', selectionStart: 3, selectionEnd: 3 });
    await session.send('Input.dispatchKeyEvent', {
      type: 'rawKeyDown',
      key: 'Enter',
      code: 'Enter',
      windowsVirtualKeyCode: 229,
    });
    await session.send('Input.insertText', { text: '日本' });
    expect(await calls(page, 'sendChat')).toEqual([]);
    await page.keyboard.press('Enter');
    expect(await calls(page, 'sendChat')).toEqual([['日本']]);
  });

  test('an answer streams, is announced once when it is done, and shows its times', async () => {
    await using opened = await openTestPage(browser, pages, 'popup');
    const { page } = opened;
    await page.getByRole('button', { name: 'What color is the sky?' }).click();
    expect(await calls(page, 'sendChat')).toEqual([['What color is the sky?']]);
    const live = page.locator('[role=status][aria-live=polite]');
    for (const piece of ['The sky', ' is **bl', 'ue**.']) {
      await say(page, piece);
      expect(await live.textContent()).toBe('');
    }
    await page.locator('.answer strong', { hasText: 'blu' }).waitFor();
    await finish(page);
    await page.getByText('48.3 tokens/s · first token 412 ms').waitFor();
    await expect.poll(() => live.textContent()).toBe('Lapis answered: The sky is blue.');

    await page.getByRole('button', { name: 'Answer again' }).click();
    await say(page, 'Blue.');
    await finish(page);
    await expect.poll(() => page.locator('.answer').count()).toBe(1);
    await page.getByRole('button', { name: 'New chat' }).click();
    await expect.poll(() => page.locator('.answer').count()).toBe(0);
    expect(opened.wrong).toEqual([]);
  });

  test('a popup opened in the middle of an answer goes on with it', async () => {
    const chat = { messages: [you('Count.'), lapis('One, two')], generating: true };
    await using opened = await openTestPage(browser, pages, 'popup', { chat });
    await say(opened.page, ', three');
    await finish(opened.page);
    const shown = opened.page.locator('.answer .markdown');
    await expect.poll(async () => (await shown.textContent())?.trim()).toBe('One, two, three');
    await expect.poll(() => opened.page.locator('.answer').count()).toBe(1);
  });

  test('the draft outlasts the popup', async () => {
    await using opened = await openTestPage(browser, pages, 'popup');
    await opened.page.keyboard.type('half a tho');
    await opened.page.reload();
    await expect.poll(() => opened.page.getByRole('textbox').inputValue()).toBe('half a tho');
  });

  test('follows the answer, but not against a person who scrolls up', async () => {
    const chat = { messages: [...LONG, you('More.'), lapis('Well. ')], generating: true };
    await using opened = await openTestPage(browser, pages, 'popup', { chat });
    const { page } = opened;
    const fromEnd = () =>
      page.getByRole('log').evaluate((log) => Math.round(log.scrollHeight - log.scrollTop - log.clientHeight));
    await expect.poll(fromEnd).toBeLessThan(2);
    await say(page, 'And so on. '.repeat(60));
    await expect.poll(fromEnd).toBeLessThan(2);

    await page.getByRole('log').hover();
    await page.mouse.wheel(0, -300);
    await expect.poll(fromEnd).toBeGreaterThan(200);
    const before = await fromEnd();
    await say(page, 'And so on. '.repeat(60));
    await expect.poll(fromEnd).toBeGreaterThan(before);

    await page.getByRole('button', { name: 'Jump to the latest text' }).click();
    await say(page, 'And so on. '.repeat(60));
    await expect.poll(fromEnd).toBeLessThan(2);
  });

  test('a message that cannot be sent comes back as the draft, with a sentence', async () => {
    await using opened = await openTestPage(browser, pages, 'popup');
    const { page } = opened;
    await page.evaluate(() =>
      (globalThis as never as Steered).page.host.failNext(
        'sendChat',
        new Error('The model could not be loaded') as never,
      ),
    );
    await page.keyboard.type('hello');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('The model could not be loaded.').waitFor();
    await expect.poll(() => page.getByRole('textbox').inputValue()).toBe('hello');
  });

  test('a notice that was read stays away', async () => {
    const scene = { status: { notices: ['Gemma 3 1B was removed.'] } };
    await using opened = await openTestPage(browser, pages, 'popup', scene);
    await opened.page.getByRole('button', { name: 'Dismiss' }).click();
    await opened.page.reload();
    await opened.page.locator('.condition.good').waitFor();
    expect(await opened.page.getByText('Gemma 3 1B was removed.').count()).toBe(0);
  });

  test('settings: the terms stand beside the download, which can be cancelled', async () => {
    await using opened = await openTestPage(browser, pages, 'options');
    const { page } = opened;
    const card = page.locator('.card', { hasText: 'Gemma 3 1B' });
    expect(await card.getByRole('link', { name: 'Gemma Terms of Use' }).getAttribute('href')).toContain(
      'ai.google.dev',
    );
    await card.getByRole('button', { name: 'Download 806 MB' }).click();
    expect(await calls(page, 'downloadModel')).toEqual([[GEMMA]]);
    await page.evaluate((activity) => (globalThis as never as Steered).page.host.setStatus({ activity }), DOWNLOAD);
    await expect.poll(() => card.getByRole('progressbar').getAttribute('aria-valuenow')).toBe('38');
    await card.getByText('300 MB of 800 MB · 10.0 MB/s · 50 s left').waitFor();
    await card.getByRole('button', { name: 'Cancel' }).click();
    expect(await calls(page, 'cancelModelActivity')).toHaveLength(1);

    await page.getByRole('button', { name: 'Remove Gemma 3 1B' }).click();
    expect(await calls(page, 'removeModel')).toEqual([]);
    await card.getByRole('button', { name: 'Remove' }).click();
    expect(await calls(page, 'removeModel')).toEqual([[GEMMA]]);
  });

  test('settings: a file is imported, another kind is refused in a sentence', async () => {
    await using opened = await openTestPage(browser, pages, 'options');
    const { page } = opened;
    const buffer = Buffer.from('GGUF');
    await page.locator('input[type=file]').setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer });
    await page.getByText('“notes.txt” is not a .gguf file.').waitFor();
    await page.locator('input[type=file]').setInputFiles({ name: 'my.gguf', mimeType: '', buffer });
    await page.locator('.card.chosen', { hasText: 'my.gguf' }).waitFor();
    expect(await calls(page, 'importModel')).toEqual([['my.gguf']]);
  });

  test('settings: numbers are kept when they fit and explained when they do not', async () => {
    await using opened = await openTestPage(browser, pages, 'options');
    const { page } = opened;
    await page.getByLabel('Temperature').fill('7');
    await page.getByText('Temperature must be a number from 0 to 2.').waitFor();
    await expect.poll(() => page.getByLabel('Temperature').getAttribute('aria-invalid')).toBe('true');
    await page.getByLabel('Temperature').fill('0.5');
    await page.getByLabel('Seed').fill('7');
    await page.getByText('Saved').waitFor();
    expect((await calls(page, 'setChatSettings')).at(-1)).toMatchObject([{ sampling: { temperature: 0.5, seed: 7 } }]);
    await page.getByRole('button', { name: 'Reset to defaults' }).click();
    await expect.poll(() => page.getByLabel('Temperature').inputValue()).toBe('0');
    await expect.poll(() => page.getByLabel('Seed').inputValue()).toBe('');
  });

  test('settings: an allowed extension can be refused and forgotten', async () => {
    await using opened = await openTestPage(browser, pages, 'options', OPTIONS_SCENES.busy);
    const { page } = opened;
    await page.getByRole('button', { name: 'Refuse Mail' }).click();
    await page.getByRole('button', { name: 'Allow Mail' }).waitFor();
    await page.getByRole('button', { name: 'Forget Mail' }).click();
    await expect.poll(() => page.locator('#extensions .card').count()).toBe(1);
  });
});
