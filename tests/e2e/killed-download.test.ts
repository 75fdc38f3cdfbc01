import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { randomBits } from '../fixtures/tiny-model.ts';
import {
  answers,
  begin,
  CHUNK,
  contentOf,
  modelWithTail,
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

/*
 * Every context that a download goes through is killed while it runs, and while what has come is made into a model: nothing may be lost
 * but the chunk in flight.
 */

const LONG = process.env.LAPIS_LONG === '1';
const MIB = 1024 * 1024;
const MODEL = pin('gemma-3-270m-it-q8_0');

type Victim = 'engine worker' | 'offscreen document' | 'service worker' | 'browser';
const VICTIMS: readonly Victim[] = ['engine worker', 'offscreen document', 'service worker', 'browser'];
/** How often each is killed. */
const ROUNDS = LONG ? 5 : 1;

describe.skipIf(!findChromium())('a download whose host is killed', { timeout: LONG ? 900_000 : 180_000 }, () => {
  let hub: Hub;
  let extensionDir: string;
  let profileDir: string;
  let browser: Lapis;
  let page: Page;
  let content: Uint8Array;

  const launch = async () => {
    browser = await launchLapis({ extensionDir, profileDir, args: hub.browserArgs });
    page = await browser.openHeadless();
  };
  const kill: Record<Victim, () => Promise<void>> = {
    'engine worker': () => browser.killEngineWorker(),
    'offscreen document': () => browser.killOffscreenDocument(),
    'service worker': () => browser.killServiceWorker(),
    async browser() {
      await browser.killBrowser();
      await launch();
    },
  };

  beforeAll(async () => {
    content = await modelWithTail((LONG ? 100 : 20) * MIB);
    hub = await startHub();
    extensionDir = await repinned([[MODEL, contentOf(content)]]);
  });
  afterAll(async () => {
    await hub?.close();
    if (extensionDir) await rm(extensionDir, { recursive: true, force: true });
  });
  beforeEach(async () => {
    profileDir = await mkdtemp(join(tmpdir(), 'lapis-killed-'));
    await launch();
    await browser.hostCall(page, 'acceptTerms', MODEL.license.url);
    hub.takeSent();
  });
  afterEach(async () => {
    await browser?.close();
    await rm(profileDir, { recursive: true, force: true });
  });

  test('in the middle loses no more than the chunk in flight', async () => {
    const victims = Array.from({ length: ROUNDS }, () => VICTIMS).flat();
    const next = randomBits(9);
    const step = Math.floor(content.length / (victims.length + 1));
    // One in each part of the file, at a random place.
    const places = victims.map((_, i) => i * step + (step >> 1) + (next() % (step >> 1)));
    hub.serve(MODEL.url, { content, stallAt: places[0] });
    await begin(page, MODEL);
    for (const [index, victim] of victims.entries()) {
      const [here, next = content.length] = places.slice(index);
      await untilDownload(page, MODEL, `has ${here} bytes`, ({ bytesDone }) => bytesDone === here);
      // Chromium may keep the connection of a killed host for over 30 s, and what went on to it would be counted as fetched. The
      // service worker takes no part in it: the host lives on.
      const breakHeld = hub.holdConnections();
      await kill[victim]();
      if (victim !== 'service worker') breakHeld();
      hub.serve(MODEL.url, { content, stallAt: next });
    }
    await untilStored(page, browser, MODEL);
    const twice = hub.takeSent() - content.length;
    expect(twice).toBeGreaterThan(0);
    expect(twice).toBeLessThanOrEqual(victims.length * CHUNK);
    expect(await storedHash(page, MODEL)).toBe(contentOf(content).sha256);
    expect(await answers(page, browser, MODEL)).toBe(3);
  });

  test('while the model is prepared fetches nothing again', async () => {
    // Each is the last step of something that must be whole or absent.
    for (const file of LONG ? ['journal.json', 'norms.bin', 'manifest.json', 'record.json'] : ['record.json']) {
      for (const victim of VICTIMS) {
        hub.serve(MODEL.url, { content, stallAt: content.length - 1 });
        await begin(page, MODEL);
        await untilDownload(page, MODEL, 'is nearly there', ({ bytesDone }) => bytesDone === content.length - 1);
        // In a scope of its own: the worker outlives a service worker, and its names can be declared once.
        await browser.runInEngine(`{
          const { prototype } = FileSystemFileHandle;
          const { move } = prototype;
          const held = new Promise((resolve) => { globalThis.goOn = resolve; });
          prototype.move = async function (name) {
            if (name === '${file}') {
              prototype.move = move;
              await held;
            }
            return move.call(this, name);
          };
        }`);
        hub.serve(MODEL.url, { content });
        await until(`${file} waits for its name`, async () => `${file}.partial` in (await storedFiles(page, MODEL)));
        await kill[victim]();
        if (victim === 'service worker') await browser.runInEngine('goOn()');
        await untilStored(page, browser, MODEL);
        expect(hub.takeSent(), `after the end of the ${victim} before ${file}`).toBe(content.length);
        expect(await storedHash(page, MODEL)).toBe(contentOf(content).sha256);
        if (victim !== VICTIMS.at(-1)) await browser.hostCall(page, 'removeModel', MODEL.id);
      }
      expect(await answers(page, browser, MODEL)).toBe(3);
      await browser.hostCall(page, 'removeModel', MODEL.id);
    }
  });
});
