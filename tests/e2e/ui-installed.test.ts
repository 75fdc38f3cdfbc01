import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lapis } from './harness.ts';
import { findChromium, launchLapis } from './harness.ts';
import type { Hub } from './hub.ts';
import { startHub } from './hub.ts';
import { pin, repinned } from './repinned.ts';

/*
 * The settings of the installed extension, with its own engine and storage: what a person does with one model from its terms to its
 * end. How the page looks in every state is in the tests around a pretended host.
 */

const MODEL = pin('gemma-3-270m-it-q8_0');
/** A click may load a model on a processor that computes for a GPU. */
const PATIENCE = { timeout: 90_000 };

describe.skipIf(!findChromium())('the models in the settings of the installed extension', () => {
  let hub: Hub;
  let extensionDir: string;
  let browser: Lapis;
  let settings: Page;
  let content: Uint8Array;
  let card: Locator;

  beforeAll(async () => {
    content = await readFile(join(import.meta.dirname, '../goldens/reference/small-Q8_0.gguf'));
    const sha256 = createHash('sha256').update(content).digest('hex');
    hub = await startHub();
    extensionDir = await repinned([[MODEL, { bytes: content.length, sha256 }]]);
    browser = await launchLapis({ extensionDir, args: hub.browserArgs });
    settings = await browser.openPage('src/ui/options/index.html');
    card = settings.getByRole('listitem').filter({
      has: settings.getByRole('heading', { name: MODEL.name, exact: true }),
    });
  });
  afterAll(async () => {
    await browser?.close();
    await hub?.close();
    if (extensionDir) await rm(extensionDir, { recursive: true, force: true });
  });

  test('a download begins after the terms, rests and goes on, and ends in a model whose answers are doubted', async () => {
    hub.serve(MODEL.url, { content, stallAt: 3_000_000 });
    await card.getByRole('button', { name: 'Download 6.20 MB' }).click();
    await card.getByRole('checkbox').check();
    expect(hub.requests).toEqual([]);
    await card.getByRole('button', { name: 'Download 6.20 MB' }).click();
    await card.getByText('Downloading from huggingface.co', { exact: true }).waitFor(PATIENCE);
    await card.getByText('3.00 MB of 6.20 MB').waitFor(PATIENCE);

    await card.getByRole('button', { name: 'Pause' }).click();
    await card.getByText('Paused', { exact: true }).waitFor(PATIENCE);
    hub.serve(MODEL.url, { content });
    await card.getByRole('button', { name: 'Resume' }).click();
    await card.getByText('In use', { exact: true }).waitFor(PATIENCE);
    // Its weights are random: the sky is not blue for it.
    await card.getByText('Suspect', { exact: true }).waitFor(PATIENCE);
    expect(await card.getByRole('alert').count()).toBe(0);

    const popup = await browser.openPage('src/ui/popup/index.html');
    await popup.getByText('Answers may be wrong', { exact: true }).waitFor(PATIENCE);
    await popup.close();
  });

  test('what it is and takes is told', async () => {
    await card.locator('summary').click();
    const rows = Object.fromEntries((await card.locator('.rows > div').allInnerTexts()).map((row) => row.split('\n')));
    expect(rows).toMatchObject({
      'Last used': expect.stringMatching(/\d/),
      Source: expect.stringContaining('ggml-org/'),
    });
    expect(Number(rows.Parameters.replaceAll(',', ''))).toBeGreaterThan(1_000_000);
    expect(rows['GPU memory needed']).toMatch(/ MB$/);
    expect(rows['SHA-256 of the source']).toBe(createHash('sha256').update(content).digest('hex'));
    await settings.getByText(/^Stored models and downloads: [\d.]+ MB · .* free$/).waitFor();
  });

  test('is verified, unloaded and loaded again', async () => {
    await card.getByRole('button', { name: 'Verify' }).click();
    await card.getByText('Every byte is as it was stored.').waitFor(PATIENCE);
    await card.getByRole('button', { name: 'Unload' }).click();
    await card.getByText('Selected', { exact: true }).waitFor(PATIENCE);
    await card.getByRole('button', { name: 'Use' }).click();
    await card.getByText('In use', { exact: true }).waitFor(PATIENCE);
  });

  test('is exported, deleted, and comes back from its folder without the network', async () => {
    await settings.evaluate(async () => {
      const root = await navigator.storage.getDirectory();
      const folder = await root.getDirectoryHandle('a-folder-of-the-person', { create: true });
      Object.assign(globalThis, { showDirectoryPicker: async () => folder });
    });
    await card.getByRole('button', { name: 'Export' }).click();
    await card.getByText(`Exported to the folder “lapis-${MODEL.id}”.`).waitFor(PATIENCE);

    await card.getByRole('button', { name: 'Delete' }).click();
    await card.getByText(/^Delete it and free 6\.\d\d MB\? To have it again is a download of 6\.20 MB\.$/).waitFor();
    await card.getByRole('button', { name: 'Delete', exact: true }).click();
    await card.getByRole('button', { name: 'Download 6.20 MB' }).waitFor(PATIENCE);

    const asked = hub.requests.length;
    await settings.evaluate(async (name) => {
      const root = await navigator.storage.getDirectory();
      const folder = await root.getDirectoryHandle('a-folder-of-the-person');
      const model = await folder.getDirectoryHandle(name);
      Object.assign(globalThis, { showDirectoryPicker: async () => model });
    }, `lapis-${MODEL.id}`);
    await settings.getByRole('button', { name: 'Choose folder…' }).click();
    await settings
      .locator('.card.chosen', { hasText: 'In use' })
      .filter({ hasNotText: 'Lapis demo' })
      .waitFor(PATIENCE);
    expect(hub.requests).toHaveLength(asked);
  });

  test('a folder and a file that are dropped on the page are imported, and an empty folder is refused in a sentence', async () => {
    const cdp = await settings.context().newCDPSession(settings);
    const target = settings.locator('.drop');
    const drop = async (path: string) => {
      await target.scrollIntoViewIfNeeded();
      const box = await target.boundingBox();
      const data = { items: [], files: [path], dragOperationsMask: 1 };
      for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
        await cdp.send('Input.dispatchDragEvent', { type, x: box!.x + 20, y: box!.y + 20, data });
      }
    };
    const inUse = (name: string) => settings.locator('.card.chosen', { hasText: 'In use' }).filter({ hasText: name });
    await drop(join(import.meta.dirname, '../../extension/models/demo'));
    await inUse('folder:demo').waitFor(PATIENCE);
    await drop(join(import.meta.dirname, '../goldens/reference/small-Q8_0.gguf'));
    await inUse('file:small-Q8_0.gguf').waitFor(PATIENCE);
    const empty = await mkdtemp(join(tmpdir(), 'lapis-empty-'));
    await drop(empty);
    await target
      .getByRole('alert')
      .filter({ hasText: basename(empty) })
      .waitFor(PATIENCE);
    await rm(empty, { recursive: true });
  });
});
