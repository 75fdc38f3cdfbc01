import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Headless } from '../../src/ui/headless/headless.ts';
import type { Lapis } from './harness.ts';
import { findChromium, launchLapis } from './harness.ts';
import type { Hub } from './hub.ts';
import { startHub } from './hub.ts';
import type { Pin } from './repinned.ts';
import { pin, repinned } from './repinned.ts';

/*
 * A person downloads a pinned model in the settings. The extension is the built one, with its addresses and its policy; only the sizes
 * and hashes of its pins are exchanged for those of small files, which a pretended hub serves under the real names.
 */

declare const lapis: Headless;

const MIB = 1024 * 1024;
const SHARD = 64 * MIB;

const GOOD = pin('gemma-3-270m-it-q8_0');
const CUT = pin('gemma-3-1b-it-q4_k_m');
const WRONG = pin('gemma-3-4b-it-q4_k_m');

const contentOf = (bytes: Uint8Array) => ({
  bytes: bytes.length,
  sha256: createHash('sha256').update(bytes).digest('hex'),
});

describe.skipIf(!findChromium())('the download of a pinned model', { timeout: 60_000 }, () => {
  let hub: Hub;
  let extensionDir: string;
  let browser: Lapis;
  let settings: Page;
  let small: Uint8Array;
  /** The same model with a tail that makes it more than one shard, so that there is something to go on from. */
  let large: Uint8Array;

  beforeAll(async () => {
    small = await readFile(join(import.meta.dirname, '../goldens/reference/small-Q8_0.gguf'));
    large = Buffer.concat([small, Buffer.alloc(SHARD + 3 * MIB - small.length)]);
    hub = await startHub();
    extensionDir = await repinned([
      [GOOD, contentOf(small)],
      [CUT, contentOf(large)],
      [WRONG, contentOf(small)],
    ]);
    browser = await launchLapis({ extensionDir, args: hub.browserArgs });
    settings = await browser.openPage('src/ui/options/index.html');
  });
  afterAll(async () => {
    await browser?.close();
    await hub?.close();
    if (extensionDir) await rm(extensionDir, { recursive: true, force: true });
  });

  const card = ({ name }: Pin) =>
    settings.getByRole('listitem').filter({ has: settings.getByRole('heading', { name, exact: true }) });
  const downloadButton = (model: Pin) => card(model).getByRole('button', { name: /^Download [\d.]+ MB: / });

  /** Clicks, and collects what the progress bar says until `end` is there. */
  const download = async (model: Pin, end: Locator): Promise<number[]> => {
    await settings.evaluate(() => {
      const seen: number[] = [];
      Object.assign(globalThis, { seen });
      new MutationObserver(() => {
        const value = document.querySelector('[role=progressbar]')?.getAttribute('aria-valuenow');
        if (value && Number(value) !== seen.at(-1)) seen.push(Number(value));
      }).observe(document.body, { subtree: true, childList: true, attributes: true });
    });
    await downloadButton(model).click();
    await end.waitFor({ timeout: 30_000 });
    return settings.evaluate(() => (globalThis as never as { seen: number[] }).seen);
  };

  /** What a person reads when a download has failed; the model is to be offered for download only. */
  const failure = async (model: Pin): Promise<string | null> => {
    const alert = card(model).getByRole('alert');
    await download(model, alert);
    await downloadButton(model).waitFor();
    expect(await card(model).getByRole('button').count()).toBe(1);
    return alert.textContent();
  };

  const page = async <T>(work: (page: Page) => Promise<T>): Promise<T> => {
    const headless = await browser.openHeadless();
    try {
      return await work(headless);
    } finally {
      await headless.close();
    }
  };
  const stored = async (model: Pin) =>
    page(async (page) => (await browser.hostCall(page, 'listModels')).find(({ id }) => id === model.id)?.stored);
  /** The last event of an answer, and the model that gave it. */
  const answer = () =>
    page((page) =>
      page.evaluate(async () => {
        const prompt = { kind: 'completion' as const, text: 'The color of the sky is' };
        const last = (await lapis.generate({ prompt, maxTokens: 4 })).at(-1);
        return { last, model: (await lapis.settle()).loadedModelId };
      }),
    );

  test('shows its progress, ends in a model in use, and that model answers', async () => {
    hub.serve(GOOD.url, { content: small, pieceBytes: 128 * 1024, pauseMs: 50 });
    expect(await downloadButton(GOOD).textContent()).toBe('Download 6.20 MB');
    const seen = await download(GOOD, card(GOOD).getByText('In use', { exact: true }));
    // Not of the loading that follows: that begins at 0 again.
    const downloaded = seen.slice(0, seen.findIndex((value, index) => value < seen[index - 1]) >>> 0);
    expect(downloaded.filter((value) => value > 0 && value < 100).length).toBeGreaterThan(5);
    expect(await card(GOOD).getByRole('alert').count()).toBe(0);

    const { last, model } = await answer();
    expect(model).toBe(GOOD.id);
    expect(last?.type === 'end' && last.tokens.length).toBe(4);
    const range = `bytes=0-${small.length - 1}`;
    expect(hub.requests).toMatchObject([
      { method: 'GET', host: 'huggingface.co', range, origin: `chrome-extension://${browser.extensionId}` },
      { method: 'GET', host: 'cas-bridge.xethub.hf.co', range, origin: 'null' },
    ]);
  });

  test('says in a sentence that the connection was cut, offers nothing half-made, and goes on at the next click', async () => {
    hub.serve(CUT.url, { content: large, stallAt: SHARD + MIB });
    expect(await failure(CUT)).toBe('The connection to huggingface.co failed: check that this machine is online.');
    expect(await stored(CUT)).toBe(false);
    expect((await answer()).model).toBe(GOOD.id);

    hub.serve(CUT.url, { content: large });
    await download(CUT, card(CUT).getByText('In use', { exact: true }));
    expect(hub.requests.at(-1)?.range).toBe(`bytes=${SHARD}-${large.length - 1}`);
    expect(await card(CUT).getByRole('alert').count()).toBe(0);
    const { last, model } = await answer();
    expect(model).toBe(CUT.id);
    expect(last?.type === 'end' && last.tokens.length).toBe(4);
  });

  test('says in a sentence that the file is gone, or that it is another, and never makes a model of it', async () => {
    hub.serve(WRONG.url, { content: small, status: 404 });
    expect(await failure(WRONG)).toBe('The download from huggingface.co failed: the file is not there any more (404).');

    const other = small.slice();
    other[other.length >> 1] ^= 1;
    hub.serve(WRONG.url, { content: other });
    expect(await failure(WRONG)).toBe(
      'What was downloaded is not Gemma 3 4B as published (its SHA-256 differs), so it was deleted. Download or choose the file again.',
    );
    expect(await stored(WRONG)).toBe(false);
    const sentence = await page((page) =>
      browser.hostCall(page, 'selectModel', WRONG.id).then(
        () => 'selected',
        (error: Error) => error.message,
      ),
    );
    expect(sentence).toContain('Gemma 3 4B is not stored: download it or choose its file in the settings.');
    expect((await answer()).model).toBe(CUT.id);
  });
});
