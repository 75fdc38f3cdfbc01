import { rm } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Headless } from '../../src/ui/headless/headless.ts';
import { randomBits } from '../fixtures/tiny-model.ts';
import {
  answers,
  begin,
  contentOf,
  modelWithTail,
  outcome,
  statusOf,
  storedFiles,
  storedHash,
  until,
  untilDownload,
  untilStored,
} from './downloading.ts';
import type { Lapis } from './harness.ts';
import { findChromium, launchLapis } from './harness.ts';
import type { Hub } from './hub.ts';
import { startHub } from './hub.ts';
import { pin, repinned } from './repinned.ts';

declare const lapis: Headless;

/* Connections that break, people who change their minds, and two pages that want the same. */

const LONG = process.env.LAPIS_LONG === '1';
const MIB = 1024 * 1024;

const MODEL = pin('gemma-3-270m-it-q8_0');
const OTHER = pin('gemma-3-1b-it-q4_k_m');

describe.skipIf(!findChromium())('a download', { timeout: LONG ? 900_000 : 120_000 }, () => {
  let hub: Hub;
  let extensionDir: string;
  let browser: Lapis;
  let page: Page;
  let content: Uint8Array;

  beforeAll(async () => {
    content = await modelWithTail((LONG ? 100 : 24) * MIB);
    hub = await startHub();
    extensionDir = await repinned([
      [MODEL, contentOf(content)],
      [OTHER, contentOf(content)],
    ]);
    browser = await launchLapis({ extensionDir, args: hub.browserArgs });
    page = await browser.openHeadless();
  });
  afterAll(async () => {
    await browser?.close();
    await hub?.close();
    if (extensionDir) await rm(extensionDir, { recursive: true, force: true });
  });

  const starts = (requests = hub.requests) =>
    requests.filter(({ host }) => host.endsWith('xethub.hf.co')).map(({ range }) => Number(/\d+/.exec(range!)));

  test('begins only when the terms have been accepted', async () => {
    hub.serve(MODEL.url, { content });
    const refused = await page.evaluate(
      (id) =>
        lapis.host.downloadModel(id).then(
          () => undefined,
          ({ code, message }) => ({ code, message }),
        ),
      MODEL.id,
    );
    expect(refused).toMatchObject({ code: 'not-allowed' });
    expect(refused!.message).toMatch(/^[A-Z][^\n]*[Tt]erms[^\n]*\.$/);
    expect(hub.requests).toEqual([]);
    expect((await statusOf(page)).downloads).toEqual([]);
    await browser.hostCall(page, 'acceptTerms', MODEL.license.url);
    expect(await browser.hostCall(page, 'acceptedTerms')).toContain(MODEL.license.url);
  });

  test('that is cut again and again goes on each time from that very byte, and ends in the same bytes', async () => {
    const next = randomBits(3);
    const cuts = Array.from({ length: LONG ? 50 : 3 }, () => next() % content.length).sort((a, b) => a - b);
    const before = hub.requests.length;
    hub.takeSent();
    hub.serve(MODEL.url, { content, stallAt: cuts[0] });
    await begin(page, MODEL);
    for (const [index, cut] of cuts.entries()) {
      await untilDownload(page, MODEL, `has ${cut} bytes`, ({ bytesDone }) => bytesDone === cut);
      hub.cut();
      hub.serve(MODEL.url, { content, stallAt: cuts[index + 1] });
    }
    expect(await outcome(page, MODEL)).toBe('stored');
    expect(starts(hub.requests.slice(before))).toEqual([0, ...cuts]);
    expect(hub.takeSent()).toBe(content.length);
    expect(await storedHash(page, MODEL)).toBe(contentOf(content).sha256);
    expect(await answers(page, browser, MODEL)).toBe(3);
    await browser.hostCall(page, 'removeModel', MODEL.id);
  });

  test('rests when it is paused, goes on when it is resumed, and leaves nothing when it is cancelled', async () => {
    const before = hub.requests.length;
    const held = 10 * MIB + 12_345;
    hub.serve(MODEL.url, { content, stallAt: held });
    await begin(page, MODEL);
    const onIcon = (text: string) =>
      until(`the icon shows “${text}”`, () =>
        page.evaluate(async (text) => (await chrome.action.getBadgeText({})) === text, text),
      );
    const downloading = await untilDownload(page, MODEL, 'has what was sent', (state) => state.bytesDone === held);
    await onIcon(`${Math.floor((100 * held) / content.length)}%`);
    expect(downloading).toMatchObject({ phase: 'downloading', host: 'huggingface.co', bytesTotal: content.length });
    await browser.hostCall(page, 'pauseDownload', MODEL.id);
    expect((await statusOf(page)).downloads).toMatchObject([{ modelId: MODEL.id, phase: 'paused', bytesDone: held }]);
    await onIcon('II');

    hub.serve(MODEL.url, { content, stallAt: 2 * held });
    await browser.hostCall(page, 'resumeDownload', MODEL.id);
    await untilDownload(page, MODEL, 'goes on', (state) => state.bytesDone === 2 * held);
    expect(starts(hub.requests.slice(before))).toEqual([0, held]);

    await browser.hostCall(page, 'cancelDownload', MODEL.id);
    expect(await outcome(page, MODEL)).toContain('was cancelled');
    expect((await statusOf(page)).downloads).toEqual([]);
    expect(await storedFiles(page, MODEL)).toEqual({});
    await onIcon('');
    expect(starts(hub.requests.slice(before))).toHaveLength(2);
  });

  test('is one for two pages, and outlives the page that began it', async () => {
    const before = hub.requests.length;
    hub.serve(MODEL.url, { content, stallAt: 6 * MIB });
    const first = await browser.openHeadless();
    await begin(first, MODEL);
    await untilDownload(page, MODEL, 'is seen by the other page', (state) => state.bytesDone === 6 * MIB);
    await begin(page, MODEL);
    await first.close();
    await until('the second has joined', async () => (await statusOf(page)).downloads.length === 1);
    hub.serve(MODEL.url, { content });
    expect(await outcome(page, MODEL)).toBe('stored');
    expect(starts(hub.requests.slice(before))).toEqual([0]);
    expect((await statusOf(page)).downloads).toEqual([]);
  });

  test('of other bytes than were published never becomes a model', async () => {
    const other = content.slice();
    other[other.length - 1] ^= 1;
    hub.serve(OTHER.url, { content: other });
    await begin(page, OTHER);
    expect(await outcome(page, OTHER)).toMatch(/is not Gemma 3 1B as published[^\n]*\.$/);
    const listed = (await browser.hostCall(page, 'listModels')).find(({ id }) => id === OTHER.id);
    expect(listed).toMatchObject({ stored: false });
    await expect(browser.hostCall(page, 'selectModel', OTHER.id)).rejects.toThrow('is not stored');
    expect(Object.keys(await storedFiles(page, OTHER)).filter((name) => name.startsWith('shard-'))).toEqual([]);

    hub.serve(OTHER.url, { content });
    await browser.hostCall(page, 'resumeDownload', OTHER.id).catch(() => begin(page, OTHER));
    const { selectedModelId } = await statusOf(page);
    await untilStored(page, browser, OTHER);
    expect(await storedHash(page, OTHER)).toBe(contentOf(content).sha256);
    // Nobody has used it: it is tried out by itself, and random weights do not know the answer.
    const suspect = await until('it has been tried out', async () => {
      const models = await browser.hostCall(page, 'listModels');
      return models.find(({ id }) => id === OTHER.id)?.suspect;
    });
    expect(suspect).toContain('it goes on after “The color of the sky is” with');
    expect(await statusOf(page)).toMatchObject({ selectedModelId });
  });
});
