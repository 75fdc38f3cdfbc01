import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BenchmarkEvent } from '../../src/protocol/benchmark.ts';
import type { TestPages } from '../../src/ui/testing/build-pages.ts';
import { buildTestPages } from '../../src/ui/testing/build-pages.ts';
import type { FakeHost } from '../../src/ui/testing/fake-host.ts';
import { openTestPage } from '../../src/ui/testing/open-page.ts';
import type { Lapis } from './harness.ts';
import { findChromium, launchForPages, launchLapis } from './harness.ts';
import { catchCopies } from './ui-steering.ts';

const executablePath = findChromium();
const axeSource = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

const RESULT: BenchmarkEvent = {
  type: 'result',
  result: {
    adapter: { vendor: 'example', architecture: 'test-1', description: 'Example GPU 4000' },
    features: ['subgroups'],
    model: 'demo',
    promptTokens: 64,
    decodeTokens: 128,
    runs: 5,
    prefillTokensPerSecond: 1234,
    decodeTokensPerSecond: 81.26,
    interTokenMs: { p50: 12.31, p95: 15.5 },
    firstTokenMs: 51.84,
    loadMs: 2345,
    bytesPerToken: 8_700_000,
    flopsPerToken: 2e7,
    dispatchesPerToken: 59,
    gpuBytes: 41_200_000,
    floorGBps: 250,
    floorShare: 0.26,
  },
};

interface Steered {
  page: { host: FakeHost };
}

describe.skipIf(!executablePath)('diagnostics, around a pretended host', () => {
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

  const measured = (page: Page, event: BenchmarkEvent) =>
    page.evaluate((event) => (globalThis as never as Steered).page.host.measured(event), event);
  const callsOf = (page: Page, name: string) =>
    page.evaluate(
      (name) => (globalThis as never as Steered).page.host.calls.filter((call) => call.name === name).length,
      name,
    );

  async function violations(page: Page): Promise<string[]> {
    // Through the debugger, which the page's policy does not bind.
    await page.evaluate(await readFile(axeSource, 'utf8'));
    return page.evaluate(async () => {
      const { axe } = globalThis as never as { axe: typeof import('axe-core') };
      const { violations } = await axe.run('#diagnostics');
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`);
    });
  }

  async function violationsInBothModes(page: Page): Promise<string[]> {
    const found = await violations(page);
    await page.emulateMedia({ colorScheme: 'dark' });
    found.push(...(await violations(page)));
    await page.emulateMedia({ colorScheme: 'light' });
    return found;
  }

  test('one click measures, with progress, and gives a table and a text', async () => {
    await using opened = await openTestPage(browser, pages, 'options', { status: { features: ['subgroups'] } });
    const { page, wrong } = opened;
    const section = page.locator('#diagnostics');
    await section.getByText('example · test-1 · Example GPU 4000').waitFor();
    await section.getByRole('button', { name: 'Measure speed' }).click();
    await measured(page, { type: 'progress', done: 30, total: 120 });
    const bar = section.getByRole('progressbar', { name: 'Measuring' });
    await expect.poll(() => bar.getAttribute('aria-valuetext')).toBe('25 %');
    expect(await violationsInBothModes(page)).toEqual([]);

    await measured(page, RESULT);
    await section.getByRole('row', { name: 'Writing 81.3 tokens/s (128 tokens)' }).waitFor();
    expect(await bar.count()).toBe(0);
    expect(await violationsInBothModes(page)).toEqual([]);
    const copied = await catchCopies(page);
    await section.getByRole('button', { name: 'Copy as text' }).click();
    await section.getByText('Copied').waitFor();
    const text = await copied();
    expect(text).toContain('Writing: 81.3 tokens/s (128 tokens)');
    // As the list of models says it.
    const [stored = ''] = (await page.locator('.storage').textContent())?.split(' · ') ?? [];
    expect(stored).toBe('Stored models and downloads: 9.80 MB');
    expect(text.split('\n')).toContain(stored);
    expect(wrong).toEqual([]);
    if (process.env.LAPIS_PICTURES) {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await section.screenshot({ path: `${process.env.LAPIS_PICTURES}/diagnostics-${colorScheme}.png` });
      }
    }
  });

  test('a measurement can be cancelled, and run again', async () => {
    await using opened = await openTestPage(browser, pages, 'options');
    const { page } = opened;
    const section = page.locator('#diagnostics');
    await section.getByRole('button', { name: 'Measure speed' }).click();
    await section.getByRole('button', { name: 'Cancel' }).click();
    await section.getByText('Cancelled').waitFor();
    await expect.poll(() => callsOf(page, 'cancelBenchmark')).toBe(1);
    await section.getByRole('button', { name: 'Measure speed' }).click();
    await expect.poll(() => callsOf(page, 'runBenchmark')).toBe(2);
    await measured(page, RESULT);
    await section.getByRole('table', { name: 'Speed, medians', exact: true }).waitFor();
  });

  test('the figures of one stay when the next is cancelled, gives way to an answer or fails', async () => {
    await using opened = await openTestPage(browser, pages, 'options');
    const { page } = opened;
    const section = page.locator('#diagnostics');
    const earlier = section.getByRole('table', { name: 'Speed, medians, of the measurement before' });
    const measure = section.getByRole('button', { name: 'Measure speed' });
    await measure.click();
    await measured(page, RESULT);
    await section.getByRole('table', { name: 'Speed, medians', exact: true }).waitFor();

    await measure.click();
    await earlier.waitFor();
    await section.getByRole('button', { name: 'Cancel' }).click();
    await section.getByText('Cancelled').waitFor();
    await earlier.getByText('81.3 tokens/s (128 tokens)').waitFor();

    const reason = 'An answer was asked for, which ended the measurement: it comes first.';
    await measure.click();
    await measured(page, { type: 'error', error: { code: 'aborted', message: reason } });
    await section.getByRole('status').getByText(reason).waitFor();
    // The hint had said so: it is no error.
    expect(await section.getByRole('alert').count()).toBe(0);
    expect(await violationsInBothModes(page)).toEqual([]);
    const copied = await catchCopies(page);
    await section.getByRole('button', { name: 'Copy as text' }).click();
    await section.getByText('Copied').waitFor();
    expect(await copied()).toContain('Writing: 81.3 tokens/s (128 tokens)');

    await measure.click();
    await measured(page, { type: 'error', error: { code: 'device-lost', message: 'The GPU was lost.' } });
    await section.getByRole('alert').getByText('The GPU was lost.').waitFor();
    await earlier.waitFor();
  });

  test('what keeps it from measuring is said in a sentence', async () => {
    await using opened = await openTestPage(browser, pages, 'options');
    const { page } = opened;
    const section = page.locator('#diagnostics');
    await section.getByRole('button', { name: 'Measure speed' }).click();
    await measured(page, { type: 'error', error: { code: 'busy', message: 'An answer is being written.' } });
    await section.getByRole('alert').getByText('An answer is being written.').waitFor();
    expect(await violationsInBothModes(page)).toEqual([]);
  });
});

describe.skipIf(!executablePath)('diagnostics of the installed extension', () => {
  let lapis: Lapis;

  beforeAll(async () => {
    lapis = await launchLapis();
  });
  afterAll(() => lapis?.close());

  test('measure the demo model, give way to an answer, and disturb no chat', async () => {
    const settings = await lapis.openPage('src/ui/options/index.html#diagnostics');
    const section = settings.locator('#diagnostics');
    const measure = section.getByRole('button', { name: 'Measure speed' });

    // Nothing has loaded the model so far: the measurement does.
    await measure.click();
    await section.getByRole('table', { name: 'Speed, medians' }).waitFor({ timeout: 180_000 });
    const copied = await catchCopies(settings);
    await section.getByRole('button', { name: 'Copy as text' }).click();
    await section.getByText('Copied').waitFor();
    const text = await copied();
    for (const line of [
      /^Lapis: \d+\.\d+\.\d+$/m,
      /^Browser: .*\d+\.\d+/m,
      /^GPU: .*swiftshader/im,
      /^GPU features in use: \S/m,
      /^Model in use: demo$/m,
      /^Reading a prompt: [\d.]+ tokens\/s \(16 tokens\)$/m,
      /^Writing: [\d.]+ tokens\/s \(16 tokens\)$/m,
      /^First token after: [\d.]+ ms$/m,
      /^Between tokens: [\d.]+ ms .*, [\d.]+ ms/m,
      /^Dispatches a token: [1-9]\d*$/m,
      /^GPU memory: [\d.]+ MB$/m,
      /^Memory bandwidth: [\d.]+ GB\/s, of which writing reaches [\d.]+ %$/m,
    ]) {
      expect(text).toMatch(line);
    }
    expect(text).not.toMatch(/NaN|undefined|Infinity/);

    // More often than the model has slots: each gives its own back.
    for (let round = 0; round < 5; round++) {
      await measure.click();
      // Without the pause in which a button is watched for coming to rest: the measurement could end in it.
      await section.getByRole('button', { name: 'Cancel' }).dispatchEvent('click');
      await section.getByText('Cancelled').waitFor();
    }

    const page = await lapis.openHeadless();
    await measure.click();
    await expect
      .poll(() => section.getByRole('progressbar').getAttribute('aria-valuenow'), { timeout: 120_000, interval: 10 })
      .not.toBeNull();
    await lapis.hostCall(page, 'sendChat', 'What color is the sky?');
    await section.getByRole('status').getByText('An answer was asked for').waitFor();
    // What was measured before is still there.
    await section.getByRole('table', { name: 'Speed, medians, of the measurement before' }).waitFor();
    const answer = await page.evaluate(async () => {
      const { host } = (globalThis as never as { lapis: { host: FakeHost } }).lapis;
      const reader = (await host.watchChat()).getReader();
      for (;;) {
        const { value } = await reader.read();
        if (value?.type !== 'snapshot' || value.chat.generating) continue;
        await reader.cancel();
        return value.chat.error?.message ?? value.chat.messages.at(-1)?.content;
      }
    });
    expect(answer).toMatch(/\bblue\b/i);
  });
});
