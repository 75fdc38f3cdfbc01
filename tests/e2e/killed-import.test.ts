import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { directoryOf } from '../../src/storage/record.ts';
import type { Headless } from '../../src/ui/headless/headless.ts';
import { randomBits } from '../fixtures/tiny-model.ts';
import { answers, CHUNK, contentOf, modelWithTail, storedHash, until } from './downloading.ts';
import type { Lapis } from './harness.ts';
import { findChromium, launchLapis } from './harness.ts';

/*
 * Every context that an import of a file goes through is killed while it runs: what was stored is kept, and when the file is given
 * again the import goes on from there.
 */

declare const lapis: Headless;

const LONG = process.env.LAPIS_LONG === '1';
const MIB = 1024 * 1024;
const MODEL = { id: 'file:mine.gguf' };
const SIZE = (LONG ? 150 : 56) * MIB + 12345;
/** What is written at the end beside the model's own bytes: records, the manifest, norms. */
const BESIDE = MIB;

type Victim = 'engine worker' | 'offscreen document' | 'browser';
const VICTIMS: readonly Victim[] = ['engine worker', 'offscreen document', 'browser'];
/** How often each is killed. */
const ROUNDS = LONG ? 5 : 1;

/**
 * Run in an engine worker, counts what it writes and lets it come as far as the chunk at `place` of the file: either that is never
 * read, or the worker stands still for ever with one half of it written.
 */
function holdAt(place: number, how: 'read' | 'torn'): string {
  return `{
    globalThis.written = 0;
    let tearing = false;
    const access = FileSystemSyncAccessHandle.prototype;
    const { write } = access;
    access.write = function (bytes, options) {
      if (tearing && bytes.length === ${CHUNK}) {
        write.call(this, bytes.subarray(0, ${CHUNK / 2}), options);
        for (;;);
      }
      globalThis.written += bytes.length;
      return write.call(this, bytes, options);
    };
    const { slice } = Blob.prototype;
    Blob.prototype.slice = function (start, ...rest) {
      const part = slice.call(this, start, ...rest);
      if (this.size !== ${SIZE} || start !== ${place}) return part;
      tearing = ${how === 'torn'};
      if (!tearing) part.arrayBuffer = () => new Promise(() => {});
      return part;
    };
  }`;
}

/** Sizes and times of the last change of the stored shards. */
function storedShards(page: Page): Promise<Record<string, { bytes: number; changedAt: number }>> {
  return page.evaluate(async (name) => {
    const found: Record<string, { bytes: number; changedAt: number }> = {};
    const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
    for await (const [file, handle] of (await models.getDirectoryHandle(name)).entries()) {
      if (!file.startsWith('shard-')) continue;
      const { size, lastModified } = await (handle as FileSystemFileHandle).getFile();
      found[file] = { bytes: size, changedAt: lastModified };
    }
    return found;
  }, directoryOf(MODEL.id));
}

describe.skipIf(!findChromium())('an import whose host is killed', { timeout: LONG ? 900_000 : 120_000 }, () => {
  let folder: string;
  let content: Uint8Array;
  let browser: Lapis;
  let page: Page;

  const launch = async () => {
    browser = await launchLapis({ profileDir: join(folder, 'profile') });
    page = await browser.openHeadless();
  };
  const kill: Record<Victim, () => Promise<void>> = {
    'engine worker': () => browser.killEngineWorker(),
    'offscreen document': () => browser.killOffscreenDocument(),
    async browser() {
      await browser.killBrowser();
      await launch();
    },
  };
  const give = async () => {
    await page.setInputFiles('#model', join(folder, 'mine.gguf'));
    await page.evaluate(() => {
      // Nobody who is killed answers.
      lapis.importFile().catch(() => {});
    });
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lapis-killed-'));
    content = await modelWithTail(SIZE);
    await writeFile(join(folder, 'mine.gguf'), content);
    await launch();
  });
  afterAll(async () => {
    await browser?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  test('loses nothing but the chunk in flight, and goes on when the file is given again', async () => {
    const victims = Array.from({ length: ROUNDS }, () => VICTIMS).flat();
    const next = randomBits(11);
    const step = Math.floor(SIZE / CHUNK / (victims.length + 1));
    // The end of a random chunk in each part of the file.
    const places = victims.map((_, i) => CHUNK * ((i + 1) * step + (next() % step)));
    let before: Awaited<ReturnType<typeof storedShards>> = {};
    for (const [index, victim] of victims.entries()) {
      const place = places[index];
      // A worker that stands still cannot be told to end itself.
      const how = victim === 'engine worker' ? 'read' : 'torn';
      await browser.hostCall(page, 'ping');
      await browser.runInEngine(holdAt(place, how));
      await give();
      const reached = place + (how === 'torn' ? CHUNK / 2 : 0);
      const shards = await until(`${reached} bytes are stored`, async () => {
        const found = await storedShards(page);
        return Object.values(found).reduce((sum, { bytes }) => sum + bytes, 0) === reached && found;
      });
      for (const [name, shard] of Object.entries(before)) expect(shards[name], name).toEqual(shard);
      await kill[victim]();
      const kept = await until('the import waits for its file', async () =>
        (await browser.hostCall(page, 'listModels')).find(({ id, waiting }) => id === MODEL.id && waiting),
      );
      expect(kept, `after the end of the ${victim}`).toMatchObject({ stored: false, bytes: place });
      expect(kept.waiting).toContain('was cut off');
      const whole = Object.entries(shards).filter(([name]) => name !== Object.keys(shards).sort().at(-1));
      before = Object.fromEntries(whole);
    }
    expect(before).toHaveProperty(['shard-00000.bin']);

    await browser.runInEngine(holdAt(SIZE, 'read'));
    await give();
    await until('the model is stored', async () =>
      (await browser.hostCall(page, 'listModels')).find(({ id, stored }) => id === MODEL.id && stored),
    );
    const rest = SIZE - places[places.length - 1];
    await browser.runInEngine(`{
      if (written < ${rest} || written > ${rest + BESIDE}) throw new Error(written + ' bytes were written, not ${rest}');
    }`);
    const shards = await storedShards(page);
    for (const [name, shard] of Object.entries(before)) expect(shards[name], name).toEqual(shard);
    expect(await storedHash(page, MODEL)).toBe(contentOf(content).sha256);
    expect(await answers(page, browser, MODEL)).toBe(3);
  });
});
