import { rm } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { DownloadState } from '../../src/protocol/host.ts';
import type { Headless } from '../../src/ui/headless/headless.ts';
import {
  begin,
  contentOf,
  modelWithTail,
  outcome,
  statusOf,
  storedFiles,
  storedHash,
  untilDownload,
} from './downloading.ts';
import type { Lapis } from './harness.ts';
import { findChromium, launchLapis } from './harness.ts';
import type { Hub, Served } from './hub.ts';
import { COMMIT, PLAIN_HOST, startHub } from './hub.ts';
import type { Pin } from './repinned.ts';
import { pin, repinned } from './repinned.ts';

/* What servers do besides sending what they are asked for, seen through the fetch and the policies of the real browser. */

declare const lapis: Headless;

const LONG = process.env.LAPIS_LONG === '1';
const MIB = 1024 * 1024;

const MODEL = pin('gemma-3-270m-it-q8_0');

describe.skipIf(!findChromium())('a download from a server', { timeout: 120_000 }, () => {
  let hub: Hub;
  let extensionDir: string;
  let browser: Lapis;
  let page: Page;
  let content: Uint8Array;

  beforeAll(async () => {
    content = await modelWithTail(10 * MIB);
    hub = await startHub();
    extensionDir = await repinned([[MODEL, contentOf(content)]]);
    browser = await launchLapis({ extensionDir, args: hub.browserArgs });
    page = await browser.openHeadless();
    await browser.hostCall(page, 'acceptTerms', MODEL.license.url);
  });
  afterEach(async () => {
    for (const { modelId } of (await statusOf(page)).downloads) {
      await browser.hostCall(page, 'cancelDownload', modelId);
    }
    for (const { id } of (await browser.hostCall(page, 'listModels')).filter(({ details }) => details)) {
      await browser.hostCall(page, 'removeModel', id);
    }
    hub.takeSent();
  });
  afterAll(async () => {
    await browser?.close();
    await hub?.close();
    if (extensionDir) await rm(extensionDir, { recursive: true, force: true });
  });

  /** Begins a download, of which `bytes` come. */
  const beginUpTo = async (bytes: number, source: Pin, mood: Partial<Served> = {}) => {
    hub.serve(source.url, { content, stallAt: bytes, ...mood });
    await begin(page, source);
    await untilDownload(page, source, `has ${bytes} bytes`, ({ bytesDone }) => bytesDone === bytes);
  };
  const isStored = async () => {
    expect(await outcome(page, MODEL)).toBe('stored');
    expect(await storedHash(page, MODEL)).toBe(contentOf(content).sha256);
  };
  const retrying = ({ phase }: DownloadState) => phase === 'retrying';

  test.each<[string, Partial<Served>, RegExp]>([
    ['asks for a pause', { status: 429, retryAfter: '2' }, /asks for a pause/],
    ['is overloaded and says for how long', { status: 503, retryAfter: '2', exposed: true }, /status 503/],
    ['is overloaded at its front door', { hubStatus: 503, retryAfter: '2' }, /status 503/],
  ])('that %s is asked again later', async (_, trouble, reason) => {
    hub.serve(MODEL.url, { content, ...trouble });
    await begin(page, MODEL);
    const state = await untilDownload(page, MODEL, 'waits for another attempt', retrying);
    expect(state.error?.message).toMatch(reason);
    if (trouble.exposed) expect(state.retryAt! - Date.now()).toBeGreaterThan(500);
    hub.serve(MODEL.url, { content });
    await isStored();
  });

  test('that sends the whole file again after a cut is listened to from the right byte on', async () => {
    await beginUpTo(6 * MIB, MODEL, { ignoresRange: true });
    hub.cut();
    hub.serve(MODEL.url, { content, ignoresRange: true });
    await isStored();
    expect(hub.takeSent()).toBe(6 * MIB + content.length);
  });

  test.each<[string, Partial<Served>, RegExp]>([
    ['no longer has the file', { status: 404 }, /the file is not there any more \(404\)/],
    ['refuses the file', { hubStatus: 403 }, /it refuses the file \(403\)/],
    ['wants a login first', { page: '<!doctype html><title>Log in</title>' }, /sent a web page instead of the file/],
  ])('that %s is said so, and what was fetched is kept', async (_, trouble, reason) => {
    await beginUpTo(9 * MIB, MODEL);
    hub.cut();
    hub.serve(MODEL.url, { content, ...trouble });
    expect(await outcome(page, MODEL)).toMatch(reason);
    const [state] = (await statusOf(page)).downloads;
    expect(state).toMatchObject({ modelId: MODEL.id, phase: 'failed' });
    expect(state.error?.message).toMatch(reason);
    hub.serve(MODEL.url, { content });
    await begin(page, MODEL);
    await isStored();
    expect(hub.takeSent()).toBe(content.length);
  });

  test('that shows its headers and sends slowly is followed to the end, and after a cut from there', async () => {
    const slow = { exposed: true, pieceBytes: 2 * MIB, pauseMs: 100 };
    await beginUpTo(6 * MIB, MODEL, slow);
    hub.cut();
    hub.serve(MODEL.url, { content, ...slow });
    await isStored();
    expect(hub.takeSent()).toBe(content.length);
  });

  test('that offers a file of another size since the cut says so, and sends it after a click', async () => {
    const url = `https://${PLAIN_HOST}/models/some.gguf`;
    const longer = await modelWithTail(11 * MIB, 2);
    hub.serve(url, { content });
    const found = await page.evaluate((url) => lapis.host.findModel(url), url);
    expect(found).toMatchObject({ bytes: content.length, pinned: false });
    const source = { ...MODEL, id: found.modelId };
    await beginUpTo(6 * MIB, { ...source, url });
    hub.cut();
    hub.serve(url, { content: longer });
    const state = await untilDownload(page, source, 'rests', ({ phase }) => phase === 'paused');
    expect(state).toMatchObject({ bytesDone: 0, bytesTotal: longer.length });
    expect(state.notice).toContain(`has a file of ${longer.length} bytes instead of ${content.length}`);
    expect(await storedFiles(page, source)).toEqual({});
    await browser.hostCall(page, 'resumeDownload', source.id);
    expect(await outcome(page, source)).toBe('stored');
    expect(await storedHash(page, source)).toBe(contentOf(longer).sha256);
  });

  test('is found by owner, repository and file, pinned by what the hub says of it', async () => {
    const file = 'someone/some-model/q4/some.gguf';
    hub.serve(`https://huggingface.co/someone/some-model/resolve/${COMMIT}/q4/some.gguf`, { content });
    const found = await page.evaluate((file) => lapis.host.findModel(file), file);
    expect(found).toMatchObject({ bytes: content.length, pinned: true });
    expect(found.url).toContain(COMMIT);
    expect(hub.takeSent()).toBe(0);
    const source = { ...MODEL, id: found.modelId };
    await browser.hostCall(page, 'acceptTerms', found.license.url);
    await begin(page, source);
    expect(await outcome(page, source)).toBe('stored');
    expect(await storedHash(page, source)).toBe(contentOf(content).sha256);
  });

  test.runIf(LONG)('that falls silent is asked again', async () => {
    hub.serve(MODEL.url, { content, stallAt: 5 * MIB });
    await begin(page, MODEL);
    const state = await untilDownload(page, MODEL, 'waits for another attempt', retrying);
    expect(state.error?.message).toMatch(/has sent nothing for \d+ seconds/);
    hub.serve(MODEL.url, { content });
    await isStored();
    expect(await storedFiles(page, MODEL)).toHaveProperty('record.json');
  });
});
