import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GenerateEvent, GenerateRequest } from '../../src/protocol/generation.ts';
import type { HostStatus } from '../../src/protocol/host.ts';
import type { Headless } from '../../src/ui/headless/headless.ts';
import { begin, outcome, untilDownload } from './downloading.ts';
import type { Lapis } from './harness.ts';
import { findChromium, launchLapis } from './harness.ts';
import { pin } from './repinned.ts';

/* What stands in OPFS is changed behind Lapis's back: nothing stale or damaged may ever be served. */

declare const lapis: Headless;

const MODEL = pin('gemma-3-270m-it-q8_0');

const REQUEST: GenerateRequest = { prompt: { kind: 'completion', text: 'The color of the sky is' }, maxTokens: 6 };

describe.skipIf(!findChromium())('stored models', { timeout: 180_000 }, () => {
  let browser: Lapis;
  let page: Page;
  let folder: string;

  beforeAll(async () => {
    browser = await launchLapis({ args: ['--host-resolver-rules=MAP huggingface.co ~NOTFOUND'] });
    page = await browser.openHeadless();
    folder = await mkdtemp(join(tmpdir(), 'lapis-models-'));
  });
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const answer = async (): Promise<GenerateEvent> =>
    (await page.evaluate((request) => lapis.generate(request), REQUEST)).at(-1)!;
  const textOf = (event: GenerateEvent) => (event.type === 'end' ? event.text : JSON.stringify(event));
  const status = (): Promise<HostStatus> => page.evaluate(() => lapis.settle());
  const notices = async (): Promise<string[]> => (await status()).notices.map(({ text }) => text);

  /** Ends the worker, so that the next call opens the storage anew. */
  const restart = async () => {
    await browser.killOffscreenDocument();
    // A call that is already under way when the page learns of the death is rejected.
    await page.waitForTimeout(500);
  };

  /** Flips one bit in the middle of a file of the only stored model. */
  const flipBit = (name: string) =>
    page.evaluate(async (name) => {
      const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
      for await (const directory of models.values()) {
        const file = await (directory as FileSystemDirectoryHandle).getFileHandle(name);
        const size = (await file.getFile()).size;
        const at = Math.floor(size / 2);
        const byte = new Uint8Array(await (await file.getFile()).slice(at, at + 1).arrayBuffer());
        byte[0] ^= 1;
        const writer = await file.createWritable({ keepExistingData: true });
        await writer.write({ type: 'write', position: at, data: byte });
        await writer.close();
      }
    }, name);

  const setSchemaVersion = (version: number) =>
    page.evaluate(async (version) => {
      const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
      for await (const directory of models.values()) {
        const file = await (directory as FileSystemDirectoryHandle).getFileHandle('record.json');
        const record = JSON.parse((await (await file.getFile()).text()).split('\n')[0]);
        const writer = await file.createWritable();
        await writer.write(JSON.stringify({ ...record, schemaVersion: version }));
        await writer.close();
      }
    }, version);

  test('a flipped bit in a shard is found and repaired, and the answer is the same', async () => {
    const before = textOf(await answer());
    expect(await notices()).toEqual([]);
    await restart();
    await flipBit('shard-00000.bin');
    expect(textOf(await answer())).toBe(before);
    const repaired = ['A damaged part of Lapis demo (shard-00000.bin) was found and repaired from the extension.'];
    expect(await notices()).toEqual(repaired);
    // Until the person has read it, whoever started the engine.
    await restart();
    expect(textOf(await answer())).toBe(before);
    expect(await notices()).toEqual(repaired);
    await page.evaluate(async () => {
      const { notices } = await lapis.settle();
      await lapis.host.dismissNotices(notices.map(({ at }) => at));
    });
    await restart();
    expect(await notices()).toEqual([]);
  });

  test.each([0, 999])('weights of schema version %i are purged and copied again', async (version) => {
    const before = textOf(await answer());
    await restart();
    await setSchemaVersion(version);
    expect((await notices()).at(-1)).toMatch(
      new RegExp(`Lapis demo was made under weights version ${version}, .*deleted, which freed [\\d.]+ MB`),
    );
    const stored = await page.evaluate(async () => {
      const names: string[] = [];
      const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
      for await (const name of models.keys()) names.push(name);
      return names;
    });
    expect(stored).toEqual([]);
    expect(textOf(await answer())).toBe(before);
  });

  test('a file that is no model is refused in one sentence, and the demo stays selected', async () => {
    const broken = join(folder, 'broken.gguf');
    await writeFile(broken, Buffer.concat([Buffer.from('GGUF'), Buffer.alloc(4000, 0xee)]));
    await page.setInputFiles('#model', broken);
    const sentence = await page.evaluate(() =>
      lapis.importFile().then(
        () => 'imported',
        (error: Error) => error.message,
      ),
    );
    expect(sentence).toMatch(/^[A-Z][^\n]*\.$/);
    expect(await status()).toMatchObject({ selectedModelId: 'demo', error: { message: sentence } });
  });

  test('a GGUF from disk is stored, answers, survives a restart and can be removed', async () => {
    await page.setInputFiles('#model', join(import.meta.dirname, '../goldens/reference/small-Q8_0.gguf'));
    const entry = await page.evaluate(() => lapis.importFile());
    expect(entry).toMatchObject({ id: 'file:small-Q8_0.gguf', stored: true });
    expect((await answer()).type).toBe('end');
    await restart();
    expect((await answer()).type).toBe('end');
    expect(await status()).toMatchObject({ loadedModelId: entry.id, selectedModelId: entry.id });
    await browser.hostCall(page, 'removeModel', entry.id);
    expect(await status()).toMatchObject({ selectedModelId: 'demo' });
    expect((await browser.hostCall(page, 'listModels')).map(({ id }) => id)).not.toContain(entry.id);
  });

  test('a download without a network says in a sentence what it waits for', async () => {
    await browser.hostCall(page, 'acceptTerms', MODEL.license.url);
    await begin(page, MODEL);
    const waiting = await untilDownload(page, MODEL, 'waits for another attempt', ({ phase }) => phase === 'retrying');
    expect(waiting.error?.message).toBe('The connection to huggingface.co failed: check that this machine is online.');
    await browser.hostCall(page, 'cancelDownload', MODEL.id);
    expect(await outcome(page, MODEL)).toContain('was cancelled');
  });
});
