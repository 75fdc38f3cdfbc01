import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestPages } from '../../src/ui/testing/build-pages.ts';
import { buildTestPages } from '../../src/ui/testing/build-pages.ts';
import { DEMO_MODEL } from '../../src/ui/testing/models.ts';
import { openTestPage } from '../../src/ui/testing/open-page.ts';
import { findChromium, launchForPages } from './harness.ts';
import { LONG_CHAT, lapis, OPTIONS_SCENES, POPUP_SCENES, you } from './ui-scenes.ts';
import type { Steered } from './ui-steering.ts';
import { calls, catchCopies, finish, say, violations } from './ui-steering.ts';

const executablePath = findChromium();

describe.skipIf(!executablePath)('the pages, around a pretended host', () => {
  let browser: Browser;
  let pages: TestPages;

  beforeAll(async () => {
    pages = await buildTestPages();
    browser = await launchForPages();
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

    const copied = await catchCopies(page);
    await page.getByRole('button', { name: 'Copy answer' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    expect(await copied()).toBe('The sky is **blue**.');

    await page.getByRole('button', { name: 'Answer again' }).click();
    await say(page, '```js\nconst sky = "blue";\n```\nThat');
    await page.getByRole('button', { name: 'Stop' }).click();
    expect(await calls(page, 'stopChat')).toHaveLength(1);
    await page.getByRole('button', { name: 'Answer again' }).waitFor();
    expect(await page.getByRole('textbox').evaluate((node) => node === document.activeElement)).toBe(true);
    await expect.poll(() => page.locator('.answer').count()).toBe(1);
    await page.locator('.code').getByRole('button', { name: 'Copy' }).click();
    await page.locator('.code').getByRole('button', { name: 'Copied' }).waitFor();
    expect(await copied()).toBe('const sky = "blue";');
    await page.evaluate(() => {
      navigator.clipboard.writeText = () => Promise.reject(new Error('Not allowed.'));
    });
    await page.getByRole('button', { name: 'Copy answer' }).click();
    await page.getByRole('button', { name: 'The browser did not allow copying.' }).waitFor();
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
    const chat = { messages: [...LONG_CHAT, you('More.'), lapis('Well. ')], generating: true };
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

  test('what is done with a model is said with its name, beyond the last byte too', async () => {
    for (const [scene, sentence, state] of [
      ['loading', 'Loading Gemma 3 1B', 'Loading…'],
      ['preparing', 'Preparing Gemma 3 1B', 'Preparing…'],
      ['storing', 'Storing Lapis demo', 'Storing…'],
      ['cancelling', 'Loading Gemma 3 1B', 'Cancelling…'],
    ]) {
      await using opened = await openTestPage(browser, pages, 'popup', POPUP_SCENES[scene]);
      await opened.page.locator('.activity-name').getByText(sentence, { exact: true }).waitFor();
      await opened.page.locator('.condition').getByText(state, { exact: true }).waitFor();
    }
  });

  test('a question that was stopped before its answer began can be answered', async () => {
    await using opened = await openTestPage(browser, pages, 'popup');
    const { page } = opened;
    await page.keyboard.type('Tea?');
    await page.keyboard.press('Enter');
    await page.locator('.thinking').waitFor();
    await page.keyboard.press('Escape');
    await page.getByText('Stopped before the first word.').waitFor();
    await page.getByRole('button', { name: 'Try again' }).click();
    expect(await calls(page, 'retryChat')).toHaveLength(1);
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Try again' }).waitFor();
    expect(await page.getByText('the model does not see it').count()).toBe(0);

    await page.getByRole('textbox').fill('Coffee?');
    await page.keyboard.press('Enter');
    await page.getByText('Not answered; the model does not see it.').waitFor();
    expect(await page.locator('.question').allTextContents()).toEqual(['Tea?', 'Coffee?']);
    expect(opened.wrong).toEqual([]);
  });

  test('a message that does not fit stays, and comes back to be shortened', async () => {
    await using opened = await openTestPage(browser, pages, 'popup', POPUP_SCENES['too long']);
    const { page } = opened;
    await page.getByRole('alert').getByText('Start a new chat, or send a shorter message.').waitFor();
    expect(await page.getByRole('button', { name: 'Try again' }).count()).toBe(0);
    await page.getByRole('button', { name: 'Edit message' }).click();
    const input = page.getByRole('textbox');
    await expect.poll(() => input.inputValue()).toBe('x'.repeat(6_000));
    expect(await input.evaluate((node) => node === document.activeElement)).toBe(true);
    // It would take the place of what is being written.
    expect(await page.getByRole('button', { name: 'Edit message' }).count()).toBe(0);
    await input.fill('x');
    await page.keyboard.press('Enter');
    await page.getByText('Not answered; the model does not see it.').waitFor();
    expect(await calls(page, 'sendChat')).toEqual([['x']]);
  });

  test('notices that were read stay away: the engine forgets what happened, the page knows what holds', async () => {
    const waiting = { ...DEMO_MODEL, id: 'file:mine.gguf', stored: false, waiting: 'Mine waits for its file.' };
    const scene = {
      models: [DEMO_MODEL, waiting],
      status: { notices: [{ at: 1, text: 'Gemma 3 1B was removed.' }], softwareAdapter: true },
    };
    await using opened = await openTestPage(browser, pages, 'popup', scene);
    const { page } = opened;
    await expect.poll(() => page.locator('.notices > li').count()).toBe(3);
    await page.locator('.notices > li', { hasText: 'Mine waits' }).getByRole('button', { name: 'Dismiss' }).click();
    await page.getByRole('button', { name: 'Dismiss' }).first().click();
    await expect.poll(() => page.getByText('Gemma 3 1B was removed.').count()).toBe(0);
    await page.getByRole('button', { name: 'Dismiss' }).click();
    await expect.poll(() => page.locator('.notices > li').count()).toBe(0);
    // The engine of this page begins anew.
    await page.reload();
    await page.getByText('Gemma 3 1B was removed.').waitFor();
    await expect.poll(() => page.locator('.notices > li').count()).toBe(1);
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
