import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GenerateEvent, GenerateRequest } from '../../src/protocol/generation.ts';
import type { ChatSnapshot } from '../../src/protocol/host.ts';
import type { Headless } from '../../src/ui/headless/headless.ts';
import type { Lapis } from './harness.ts';
import { findChromium, launchLapis } from './harness.ts';

/* The way of a prompt, page → service worker → offscreen document → engine worker → GPU, and what happens when a part of it dies. */

declare const lapis: Headless;

/** What the tests keep in the page between two calls. */
declare const seen: { events: GenerateEvent[]; chat?: ChatSnapshot; done?: boolean };

const SHORT: GenerateRequest = { prompt: { kind: 'completion', text: 'The color of the sky is' }, maxTokens: 4 };
/** With random weights nothing ends an answer but its limit, so there is time to be in the middle of it. */
const LONG: GenerateRequest = { ...SHORT, maxTokens: 400 };
const RANDOM_MODEL = join(import.meta.dirname, '../goldens/reference/small-Q8_0.gguf');

describe.skipIf(!findChromium())('the spine', { timeout: 180_000 }, () => {
  let browser: Lapis;

  beforeAll(async () => {
    browser = await launchLapis();
  });
  afterAll(() => browser?.close());

  /** Starts a generation whose events gather in the page's `seen`. */
  const begin = (page: Page, request: GenerateRequest) =>
    page.evaluate((request) => {
      const gathered = { events: [] as GenerateEvent[], done: false };
      Object.assign(globalThis, { seen: gathered });
      lapis
        .generate(request, (event) => gathered.events.push(event))
        .finally(() => {
          gathered.done = true;
        });
    }, request);

  const texts = (page: Page) => page.evaluate(() => seen.events.filter(({ type }) => type === 'text').length);
  const untilTexts = (page: Page, count: number) =>
    page.waitForFunction((count) => seen.events.filter(({ type }) => type === 'text').length >= count, count);
  const lastEvent = async (page: Page) => {
    await page.waitForFunction(() => seen.done);
    return page.evaluate(() => seen.events.at(-1));
  };
  const generate = (page: Page, request: GenerateRequest) =>
    page.evaluate((request) => lapis.generate(request), request);

  test('a prompt streams through a page, and the demo model knows the color of the sky', async () => {
    const page = await browser.openHeadless();
    const events = await generate(page, { ...SHORT, maxTokens: 8 });
    expect(events[0].type).toBe('start');
    const end = events.at(-1)!;
    if (end.type !== 'end') throw new Error(JSON.stringify(end));
    expect(end.text).toBe(events.map((event) => (event.type === 'text' ? event.text : '')).join(''));
    expect(end.text).toMatch(/^ blue\b/);
    expect(end.timings.firstTokenMs).toBeGreaterThan(0);
    const status = await page.evaluate(() => lapis.settle());
    expect(status).toMatchObject({ loadedModelId: 'demo', selectedModelId: 'demo', softwareAdapter: true });
    expect(status.gpuBytes).toBeGreaterThan(1_000_000);
    await page.close();
  });

  test('the popup answers, and has the conversation when it is opened again', async () => {
    const popup = await browser.openPage('src/ui/popup/index.html');
    await popup.fill('textarea', 'The color of the sky is');
    await popup.press('textarea', 'Enter');
    await popup.waitForFunction(() => /\bblue\b/.test(document.body.textContent ?? ''));
    await popup.close();
    const again = await browser.openPage('src/ui/popup/index.html');
    await again.waitForFunction(() => /The color of the sky is[\s\S]*\bblue\b/.test(document.body.textContent ?? ''));
    await browser.hostCall(await browser.openHeadless(), 'newChat');
    await again.close();
  });

  describe('with a model that goes on and on', () => {
    beforeAll(async () => {
      const page = await browser.openHeadless();
      await page.setInputFiles('#model', RANDOM_MODEL);
      await page.evaluate(() => lapis.importFile());
      await page.close();
    });

    test('a cancelled generation ends, and so does one whose page has gone', async () => {
      const page = await browser.openHeadless();
      await page.evaluate(async (request) => {
        const reader = (await lapis.host.generate(request)).getReader();
        await reader.read();
        await reader.cancel();
      }, LONG);
      await begin(page, LONG);
      await untilTexts(page, 1);
      await page.close();
      // Four slots: if the two above still ran, these would wait for them.
      const next = await browser.openHeadless();
      for (let i = 0; i < 3; i++) expect((await generate(next, SHORT)).at(-1)?.type).toBe('end');
      await next.close();
    });

    test('a stream goes on after the service worker has died', async () => {
      const page = await browser.openHeadless();
      await begin(page, LONG);
      await untilTexts(page, 2);
      await browser.killServiceWorker();
      const before = await texts(page);
      await untilTexts(page, before + 3);
      await page.close();
      const next = await browser.openHeadless();
      expect((await generate(next, SHORT)).at(-1)?.type).toBe('end');
      await next.close();
    });

    test.each(['killEngineWorker', 'killOffscreenDocument', 'hangEngineWorker'] as const)(
      'after %s in the middle of an answer there is an error within seconds, and the next prompt works',
      async (kill) => {
        const page = await browser.openHeadless();
        await begin(page, LONG);
        await untilTexts(page, 2);
        await browser[kill]();
        const killedAt = Date.now();
        expect(await lastEvent(page)).toMatchObject({ type: 'error', error: { code: 'peer-lost' } });
        expect(Date.now() - killedAt).toBeLessThan(kill === 'hangEngineWorker' ? 15_000 : 3_000);
        expect((await generate(page, SHORT)).at(-1)?.type).toBe('end');
        await page.close();
      },
    );

    describe('the chat', () => {
      const watch = (page: Page) =>
        page.evaluate(async () => {
          const gathered: typeof seen = { events: [] };
          Object.assign(globalThis, { seen: gathered });
          const reader = (await lapis.host.watchChat()).getReader();
          void (async () => {
            for (;;) {
              const { done, value } = await reader.read();
              if (done) return;
              if (value.type === 'snapshot') gathered.chat = value.chat;
              else gathered.chat!.messages.at(-1)!.content += value.text;
            }
          })();
        });
      const chat = (page: Page) => page.evaluate(() => seen.chat!);
      const answerLength = (page: Page, atLeast: number) =>
        page.waitForFunction((atLeast) => {
          const last = seen.chat?.messages.at(-1);
          return last?.role === 'assistant' && last.content.length >= atLeast;
        }, atLeast);

      beforeAll(async () => {
        const page = await browser.openHeadless();
        await browser.hostCall(page, 'setChatSettings', { system: '', sampling: { temperature: 0 }, maxTokens: 400 });
        await page.close();
      });

      test('an answer grows while nobody looks, and is there when the page is opened again', async () => {
        const first = await browser.openHeadless();
        await browser.hostCall(first, 'newChat');
        await watch(first);
        await browser.hostCall(first, 'sendChat', 'Count for me.');
        await answerLength(first, 5);
        const before = await chat(first);
        expect(before.generating).toBe(true);
        await first.close();

        const second = await browser.openHeadless();
        await watch(second);
        await answerLength(second, before.messages[1].content.length + 5);
        const after = await chat(second);
        expect(after.messages[1].content.startsWith(before.messages[1].content)).toBe(true);
        await browser.hostCall(second, 'stopChat');
        await second.waitForFunction(() => seen.chat?.generating === false);
        expect((await chat(second)).error).toBeUndefined();
        await second.close();
      });

      test('a half answer outlives its worker, with the reason, and can be tried again', async () => {
        const page = await browser.openHeadless();
        await watch(page);
        await browser.hostCall(page, 'newChat');
        await browser.hostCall(page, 'sendChat', 'Count for me.');
        await answerLength(page, 20);
        await page.waitForTimeout(600);
        const before = (await chat(page)).messages[1].content;
        await browser.killEngineWorker();
        await page.waitForFunction(() => seen.chat?.error?.code === 'peer-lost');
        const after = await chat(page);
        expect(after.generating).toBe(false);
        expect(after.messages[0].content).toBe('Count for me.');
        expect(before.startsWith(after.messages[1].content.slice(0, 10))).toBe(true);
        await browser.hostCall(page, 'retryChat');
        await answerLength(page, 5);
        expect((await chat(page)).error).toBeUndefined();
        await browser.hostCall(page, 'newChat');
        expect((await chat(page)).messages).toEqual([]);
        await page.close();
      });
    });
  });
});
