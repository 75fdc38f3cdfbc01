import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestPages } from '../../src/ui/testing/build-pages.ts';
import { buildTestPages } from '../../src/ui/testing/build-pages.ts';
import { openTestPage } from '../../src/ui/testing/open-page.ts';
import { findChromium, launchForPages } from './harness.ts';
import { HOSTILE, HOSTILE_SCENE } from './ui-scenes.ts';
import { calls } from './ui-steering.ts';

const executablePath = findChromium();

/** Everything that a person or a screen reader reads on the page. */
const everyText = (page: Page) =>
  page.evaluate(() => {
    const attributes = [...document.querySelectorAll('#app *')].flatMap((element) =>
      ['title', 'aria-label', 'aria-valuetext', 'placeholder'].map((name) => element.getAttribute(name) ?? ''),
    );
    return [document.querySelector('#app')!.textContent, ...attributes].join('\u0001');
  });

describe.skipIf(!executablePath)('names, notices and errors out of hostile files', () => {
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

  test.each(['popup', 'options'] as const)('stay text on one line, and in their place: %s', async (kind) => {
    await using opened = await openTestPage(browser, pages, kind, HOSTILE_SCENE);
    const { page } = opened;
    await page.locator('.callout', { hasText: HOSTILE.markup }).first().waitFor();
    for (const summary of await page.locator('summary').all()) await summary.click();

    expect(await page.evaluate(() => 'hacked' in globalThis)).toBe(false);
    expect(await page.locator('#app script, #app img[src=x]').count()).toBe(0);
    const text = await everyText(page);
    expect(text).toContain('safe-gpj.fugg');
    expect(text.replaceAll('\u0001', '').match(/[\p{Cc}\u200b\u202a-\u202e\u2066-\u2069\u2028]/gu)).toBeNull();
    // The page is not wider than its window, nor is any part pushed out of it.
    const outside = await page.evaluate(() =>
      [...document.querySelectorAll('#app button, #app h4, #app p, #app dd, #app .badge, #app .size')]
        .filter((element) => !element.closest('.visually-hidden'))
        .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
        .map((element) => element.outerHTML.slice(0, 120)),
    );
    expect(outside).toEqual([]);
    // Nor is anything drawn over its neighbour.
    const overlapping = await page.evaluate(() =>
      [...document.querySelectorAll('.status-area > *, .notices > *, .card, .card > *')]
        .filter((element) => element.nextElementSibling && !element.nextElementSibling.matches('.visually-hidden'))
        .filter((element) => {
          const bottom = Math.max(
            ...[element, ...element.querySelectorAll('p, li')].map((part) => part.getBoundingClientRect().bottom),
          );
          return bottom > element.nextElementSibling!.getBoundingClientRect().top + 1;
        })
        .map((element) => element.outerHTML.slice(0, 120)),
    );
    expect(overlapping).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
    expect(opened.wrong).toEqual([]);
  });

  test('are steered by the ids that they came with, and link to nothing but the web', async () => {
    await using opened = await openTestPage(browser, pages, 'options', HOSTILE_SCENE);
    const { page } = opened;
    expect(await page.locator('a[href^="javascript"]').count()).toBe(0);
    await page.getByRole('heading', { name: 'A model without a name' }).waitFor();
    await page.getByRole('button', { name: /^Use safe-/ }).click();
    expect(await calls(page, 'selectModel')).toEqual([['file:turned']]);
    await page.getByRole('button', { name: /^Unload </ }).waitFor({ state: 'detached' });
    await page.getByRole('button', { name: /^Verify </ }).click();
    await expect.poll(() => calls(page, 'verifyModel')).toEqual([[`file:${HOSTILE.markup}`]]);
  });

  test('do not break the page of a dropped file', async () => {
    await using opened = await openTestPage(browser, pages, 'options');
    const { page } = opened;
    const name = `${'x'.repeat(180)}\u202e<b>.exe`;
    await page
      .locator('input[type=file]')
      .setInputFiles({ name, mimeType: 'text/plain', buffer: Buffer.from('no model') });
    const sentence = page.getByText('is not a .gguf file.');
    await sentence.waitFor();
    expect(await sentence.textContent()).toMatch(/^“x{119}…” is not a \.gguf file\.$/);
  });
});
