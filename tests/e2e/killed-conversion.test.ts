import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { convertModel } from '../../src/model/convert.ts';
import { openHuggingFace } from '../../src/model/huggingface.ts';
import { directoryOf } from '../../src/storage/record.ts';
import type { Headless } from '../../src/ui/headless/headless.ts';
import { memoryFolder, memoryShards, TINY_WIDE_CONFIG, tinyHuggingFace } from '../fixtures/tiny-model.ts';
import { answers, storedFiles, storedHash, until } from './downloading.ts';
import type { Lapis } from './harness.ts';
import { findChromium, launchLapis } from './harness.ts';

/* Whoever converts a Hugging Face folder is killed: the shards that were whole are kept, and are not made again. */

declare const lapis: Headless;

const LONG = process.env.LAPIS_LONG === '1';
const MODEL = { id: 'folder:mine' };
const SHARD_BYTES = 32 * 1024 * 1024;

const VICTIMS = LONG ? (['engine worker', 'offscreen document', 'browser'] as const) : (['browser'] as const);

describe.skipIf(!findChromium())('a conversion whose host is killed', { timeout: LONG ? 300_000 : 120_000 }, () => {
  let profileDir: string;
  let browser: Lapis;
  let page: Page;
  /** Of the shards that the command line would make, joined. */
  let sha256: string;

  const launch = async () => {
    browser = await launchLapis({ profileDir });
    page = await browser.openHeadless();
  };
  const kill = {
    'engine worker': () => browser.killEngineWorker(),
    'offscreen document': () => browser.killOffscreenDocument(),
    async browser() {
      await browser.killBrowser();
      await launch();
    },
  };
  const give = () =>
    page.evaluate(async () => {
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('mine');
      // Nobody who is killed answers.
      lapis.host.importFolder(folder).catch(() => {});
    });
  const changedAt = (shard: string) =>
    page.evaluate(
      async ([model, shard]) => {
        const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
        const handle = await (await models.getDirectoryHandle(model)).getFileHandle(shard);
        return (await handle.getFile()).lastModified;
      },
      [directoryOf(MODEL.id), shard] as const,
    );

  beforeAll(async () => {
    // An embedding that is a shard and a little more.
    const files = tinyHuggingFace({ ...TINY_WIDE_CONFIG, vocabularySize: 130_000 });
    const shards = memoryShards();
    const source = await openHuggingFace(memoryFolder(files), { id: MODEL.id });
    const options = { modelId: MODEL.id, quantization: 'q4_k_m' as const, shardBytes: SHARD_BYTES };
    const manifest = await convertModel(shards, source, options);
    expect(manifest.shards).toHaveLength(2);
    const hash = createHash('sha256');
    for (const { file } of manifest.shards) hash.update(shards.files.get(file)!);
    sha256 = hash.digest('hex');

    profileDir = await mkdtemp(join(tmpdir(), 'lapis-killed-'));
    await launch();
    for (const [name, bytes] of files) {
      const path = join(profileDir, name);
      await writeFile(path, bytes);
      await page.setInputFiles('#model', path);
      await page.evaluate(async () => {
        const file = document.querySelector<HTMLInputElement>('#model')?.files?.[0];
        if (!file) throw new Error('No file is chosen.');
        const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('mine', { create: true });
        const writable = await (await folder.getFileHandle(file.name, { create: true })).createWritable();
        await file.stream().pipeTo(writable);
      });
    }
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    if (profileDir) await rm(profileDir, { recursive: true, force: true });
  });

  test.each(VICTIMS)('goes on behind the whole shards when the folder is given again: %s', async (victim) => {
    await browser.hostCall(page, 'ping');
    await browser.runInEngine(`{
      const { prototype } = FileSystemFileHandle;
      const { move } = prototype;
      prototype.move = function (name) {
        return name === 'shard-00001.bin' ? new Promise(() => {}) : move.call(this, name);
      };
    }`);
    await give();
    await until('the second shard waits for its name', async () => {
      const found = await storedFiles(page, MODEL);
      return 'shard-00001.bin.partial' in found && 'journal.copy.json' in found;
    });
    const before = await changedAt('shard-00000.bin');
    await kill[victim]();
    const { waiting } = await until('the conversion waits for its folder', async () =>
      (await browser.hostCall(page, 'listModels')).find(({ id, waiting }) => id === MODEL.id && waiting),
    );
    expect(waiting).toContain('choose its folder again');

    await give();
    await until('the model is stored', async () =>
      (await browser.hostCall(page, 'listModels')).find(({ id, stored }) => id === MODEL.id && stored),
    );
    expect(await changedAt('shard-00000.bin')).toBe(before);
    expect(await storedHash(page, MODEL)).toBe(sha256);
    expect(await answers(page, browser, MODEL)).toBe(3);
    await browser.hostCall(page, 'removeModel', MODEL.id);
  });
});
