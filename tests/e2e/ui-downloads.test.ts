import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestPages } from '../../src/ui/testing/build-pages.ts';
import { buildTestPages } from '../../src/ui/testing/build-pages.ts';
import type { Scene } from '../../src/ui/testing/open-page.ts';
import { openTestPage } from '../../src/ui/testing/open-page.ts';
import { findChromium, launchForPages } from './harness.ts';
import { DOWNLOADS, FOUND, GEMMA, GEMMA_TERMS } from './ui-scenes.ts';
import type { Steered } from './ui-steering.ts';
import { calls, finishDownload, setDownload, violations } from './ui-steering.ts';

const executablePath = findChromium();

const ACCEPTED: Scene = { accepted: [GEMMA_TERMS] };
const during = (name: string): Scene => ({ ...ACCEPTED, status: { downloads: [DOWNLOADS[name]] } });

describe.skipIf(!executablePath)('downloads in the pages', () => {
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

  const open = (scene: Scene) => openTestPage(browser, pages, 'options', scene);
  const cardOf = (page: Page, name = 'Gemma 3 1B') =>
    page.getByRole('listitem').filter({ has: page.getByRole('heading', { name, exact: true }) });

  test('the terms are shown and accepted before the first one, and never again', async () => {
    await using opened = await open({});
    const { page } = opened;
    const card = cardOf(page);
    const button = card.getByRole('button', { name: 'Download 806 MB: Gemma 3 1B' });
    await button.focus();
    await page.keyboard.press('Enter');
    await card.getByText('Gemma is Google’s and not part of Lapis.').waitFor();
    for (const link of await card.getByRole('link', { name: 'Gemma Terms of Use' }).all()) {
      expect(await link.getAttribute('href')).toBe(GEMMA_TERMS);
    }
    expect(await violations(page)).toEqual([]);
    // Not without the tick, which has the keyboard's place.
    expect(await button.isDisabled()).toBe(true);
    await page.keyboard.press('Escape');
    await expect.poll(() => card.getByRole('checkbox').count()).toBe(0);
    expect(await calls(page, 'acceptTerms')).toEqual([]);

    await button.click();
    const box = card.getByRole('checkbox');
    await expect.poll(() => box.evaluate((node) => node === document.activeElement)).toBe(true);
    await page.keyboard.press('Space');
    await expect.poll(() => button.isEnabled()).toBe(true);
    expect(await calls(page, 'downloadModel')).toEqual([]);
    await button.click();
    await expect.poll(() => calls(page, 'downloadModel')).toEqual([[GEMMA]]);
    expect(await calls(page, 'acceptTerms')).toEqual([[GEMMA_TERMS]]);

    await card.getByRole('button', { name: 'Cancel' }).click();
    await button.click();
    await expect.poll(() => calls(page, 'downloadModel')).toHaveLength(2);
    expect(await calls(page, 'acceptTerms')).toHaveLength(1);
    expect(opened.wrong).toEqual([]);
  });

  test('show bytes, speed and time left, are paused and resumed, and end in a model in use', async () => {
    await using opened = await open(ACCEPTED);
    const { page } = opened;
    const card = cardOf(page);
    await card.getByRole('button', { name: 'Download 806 MB' }).click();
    await setDownload(page, GEMMA, DOWNLOADS.downloading);
    await card.getByText('Downloading from huggingface.co', { exact: true }).waitFor();
    await card.getByText('302 MB of 806 MB · 10.0 MB/s · 50 s left').waitFor();
    expect(await card.getByRole('progressbar').getAttribute('aria-valuenow')).toBe('37');

    await card.getByRole('button', { name: 'Pause' }).click();
    await card.getByText('Paused', { exact: true }).waitFor();
    await card.getByText('302 MB of 806 MB', { exact: true }).waitFor();
    await card.getByText('What is here is kept').waitFor();
    await card.getByRole('button', { name: 'Resume' }).click();
    await card.getByText('Downloading from huggingface.co', { exact: true }).waitFor();

    await setDownload(page, GEMMA, { phase: 'preparing', bytesDone: DOWNLOADS.preparing.bytesTotal });
    await card.getByText('Preparing', { exact: true }).waitFor();
    expect(await card.getByRole('button', { name: 'Pause' }).count()).toBe(0);
    await finishDownload(page, GEMMA);
    await card.getByText('In use', { exact: true }).waitFor();
    expect(await calls(page, 'selectModel')).toEqual([[GEMMA]]);
    await expect.poll(() => page.locator('[role=status]').allTextContents()).toContain('Gemma 3 1B is downloaded.');
    expect(opened.wrong).toEqual([]);
  });

  test('one that an earlier page began goes on from this one', async () => {
    await using opened = await open(during('paused'));
    const { page } = opened;
    await cardOf(page).getByRole('button', { name: 'Resume' }).click();
    await cardOf(page).getByText('Downloading from huggingface.co', { exact: true }).waitFor();
    await finishDownload(page, GEMMA);
    await cardOf(page).getByText('In use', { exact: true }).waitFor();
  });

  test('cancelling asks only when more than a little is lost', async () => {
    await using opened = await open(during('downloading'));
    const { page } = opened;
    const card = cardOf(page);
    await card.getByRole('button', { name: 'Cancel' }).click();
    await card.getByText('Cancel, and delete the 302 MB that are here?').waitFor();
    await card.getByRole('button', { name: 'Go on' }).click();
    expect(await calls(page, 'cancelDownload')).toEqual([]);
    await card.getByRole('button', { name: 'Cancel' }).click();
    await card.getByRole('button', { name: 'Cancel the download' }).click();
    await card.getByRole('button', { name: 'Download 806 MB' }).click();
    expect(await calls(page, 'cancelDownload')).toEqual([[GEMMA]]);
    await setDownload(page, GEMMA, { bytesDone: 9_000_000 });
    await card.getByText('9.00 MB of 806 MB').waitFor();
    await card.getByRole('button', { name: 'Cancel' }).click();
    await expect.poll(() => calls(page, 'cancelDownload')).toHaveLength(2);
    expect(await card.getByRole('alert').count()).toBe(0);
  });

  test('a lost connection is counted down and explained', async () => {
    await using opened = await open(during('downloading'));
    const { page } = opened;
    const card = cardOf(page);
    const retryAt = await page.evaluate(() => Date.now() + 55_000);
    await setDownload(page, GEMMA, { ...DOWNLOADS.retrying, retryAt });
    const line = card.getByText(/^Interrupted; next try in \d+ s$/);
    const seconds = async () => Number((await line.textContent())?.match(/\d+/)?.[0]);
    const first = await seconds();
    await expect.poll(seconds, { timeout: 30_000 }).toBeLessThan(first);
    await card.getByText('The connection to huggingface.co failed').waitFor();
    await setDownload(page, GEMMA, { retryAt: 0 });
    await card.locator('.activity-name', { hasText: 'Interrupted; trying again…' }).waitFor();
  });

  test('a failure says why and what to do, and can be tried again', async () => {
    await using opened = await open(ACCEPTED);
    const { page } = opened;
    const card = cardOf(page);
    await card.getByRole('button', { name: 'Download 806 MB' }).click();
    await setDownload(page, GEMMA, DOWNLOADS['disk full']);
    const sentence =
      'The model needs 504 MB more, but the browser has only 120 MB left. Free some disk space or delete a model in Settings, then try again.';
    await card.getByText(sentence).waitFor();
    await card.getByText('What is here is kept').waitFor();
    // Once, though both the download and the click that began it failed.
    expect(await card.getByRole('alert').count()).toBe(1);
    await card.getByRole('button', { name: 'Try again' }).click();
    await expect.poll(() => calls(page, 'downloadModel')).toHaveLength(2);
    await expect.poll(() => card.getByRole('alert').count()).toBe(0);
  });

  test('nothing is said to be kept of bytes that turned out to be wrong', async () => {
    await using opened = await open(during('failed'));
    const { page } = opened;
    await setDownload(page, GEMMA, { error: { code: 'corrupt', message: 'It was deleted' } });
    await cardOf(page).getByText('It was deleted.').waitFor();
    expect(await cardOf(page).getByText('What is here is kept').count()).toBe(0);
  });

  test('a source that changed is told', async () => {
    await using opened = await open(during('starting again'));
    await cardOf(opened.page).getByText('has changed, so the download begins again.').waitFor();
  });

  test('a file of another size is fetched after a click that names it', async () => {
    await using opened = await open(during('another size'));
    const { page } = opened;
    await cardOf(page).getByText('What is there is a download of 812 MB').waitFor();
    expect(await violations(page)).toEqual([]);
    await cardOf(page).getByRole('button', { name: 'Download 812 MB: Gemma 3 1B' }).click();
    await expect.poll(() => calls(page, 'downloadModel')).toEqual([[GEMMA]]);
  });

  test('one goes on through the death of the engine, and one that rests is not set going', async () => {
    await using opened = await open(ACCEPTED);
    const { page } = opened;
    const card = cardOf(page);
    const die = () =>
      page.evaluate(() => {
        const { host } = (globalThis as never as Steered).page;
        host.dropDownloads();
      });
    await card.getByRole('button', { name: 'Download 806 MB' }).click();
    await die();
    await expect.poll(() => calls(page, 'downloadModel')).toHaveLength(2);
    expect(await card.getByRole('alert').count()).toBe(0);
    await card.getByRole('button', { name: 'Pause' }).click();
    await card.getByText('Paused', { exact: true }).waitFor();
    await die();
    // Though nothing of it had come.
    const resume = card.getByRole('button', { name: 'Resume the download of Gemma 3 1B' });
    expect(await resume.textContent()).toBe('Resume');
    await resume.click();
    await expect.poll(() => calls(page, 'downloadModel')).toHaveLength(3);
    await finishDownload(page, GEMMA);
    await card.getByText('In use', { exact: true }).waitFor();
  });

  test('any file is looked up first, and fetched after a click that names its size', async () => {
    await using opened = await open({ found: FOUND });
    const { page } = opened;
    await page.getByLabel('URL, or owner/repo/file on Hugging Face').fill(' someone/gemma-3-1b-pirate-GGUF/x.gguf ');
    await page.keyboard.press('Enter');
    const found = page.locator('.found');
    await found.getByRole('heading', { name: FOUND.name }).waitFor();
    expect(await calls(page, 'findModel')).toEqual([['someone/gemma-3-1b-pirate-GGUF/x.gguf']]);
    await found.getByText(FOUND.url).waitFor();
    await found.getByText('The source names its SHA-256').waitFor();
    expect(await violations(page)).toEqual([]);
    expect(await calls(page, 'downloadModel')).toEqual([]);

    await found.getByRole('button', { name: 'Download 851 MB' }).click();
    await found.getByRole('checkbox').check();
    await found.getByRole('button', { name: 'Download 851 MB' }).click();
    await expect.poll(() => calls(page, 'downloadModel')).toEqual([[FOUND.modelId]]);
    // From here on it is a download like any other.
    await cardOf(page, FOUND.name).getByRole('progressbar').waitFor();
    expect(await found.count()).toBe(0);
    await page.getByText('It is in the lists above.').waitFor();
    await finishDownload(page, FOUND.modelId);
    await cardOf(page, FOUND.name).getByText('In use', { exact: true }).waitFor();
  });

  test('a file that is not there, or has no pin, says so', async () => {
    await using opened = await open({});
    const { page } = opened;
    await page.getByLabel('URL, or owner/repo/file on Hugging Face').fill('a/b/c.gguf');
    await page.getByRole('button', { name: 'Look up' }).click();
    await page.getByRole('alert').getByText('There is no such file on huggingface.co (404).').waitFor();

    await using other = await open({ found: { ...FOUND, pinned: false } });
    await other.page.getByLabel('URL, or owner/repo/file on Hugging Face').fill('https://example.com/c.gguf');
    await other.page.getByRole('button', { name: 'Look up' }).click();
    await other.page.getByText('The source names no SHA-256').waitFor();
    await other.page.getByRole('button', { name: 'Not this one' }).click();
    await expect.poll(() => other.page.locator('.found').count()).toBe(0);
  });

  test('the popup shows them in a line, and the icon buttons pause and resume', async () => {
    await using opened = await openTestPage(browser, pages, 'popup', during('downloading'));
    const { page } = opened;
    await page.getByText('37 % · 10.0 MB/s · 50 s left').waitFor();
    await page.getByRole('button', { name: 'Pause the download of Gemma 3 1B' }).click();
    await page.getByText('37 % · paused').waitFor();
    await page.getByRole('button', { name: 'Resume the download of Gemma 3 1B' }).click();
    expect(await calls(page, 'resumeDownload')).toEqual([[GEMMA]]);
    await setDownload(page, GEMMA, DOWNLOADS.failed);
    await page.getByText('37 % · stopped').waitFor();
    await page.getByText('The connection to huggingface.co failed').waitFor();
    await page.getByRole('button', { name: 'Gemma 3 1B', exact: true }).click();
    expect(await page.evaluate(() => (globalThis as never as Steered).page.platform.settingsOpened)).toBe(1);
  });
});
