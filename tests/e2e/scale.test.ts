import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WEIGHTS_SCHEMA_VERSION } from '../../src/model/schema-version.ts';
import { directoryOf } from '../../src/storage/record.ts';
import type { Headless } from '../../src/ui/headless/headless.ts';
import type { PlainStep } from '../../tools/bench/plain-steps.ts';
import { fullSizeFile, writeSyntheticFile } from '../../tools/synthetic-file/synthetic-file.ts';
import type { Lapis } from './harness.ts';
import { findChromium, launchLapis } from './harness.ts';
import { watchHeap } from './heap.ts';
import type { Hub } from './hub.ts';
import { startHub } from './hub.ts';
import { pin, repinned } from './repinned.ts';

/*
 * A file in the size and the shapes of the real 1B, from a hub on this machine, and the same bytes again from the disk. Each speed is
 * compared with the plain steps that it is made of, measured in the same run.
 */

declare const lapis: Headless;

const MODEL = pin('gemma-3-1b-it-q4_k_m');
const STEPS_WORKER = 'plain-steps.js';

const LONG = process.env.LAPIS_LONG === '1';
const ROOT = resolve(import.meta.dirname, '../..');

/**
 * The extension as it would be with another rule for norms, under the next schema version.
 * @returns its folder
 */
async function nextVersion(folder: string): Promise<string> {
  for (const path of ['src', 'extension', 'manifest.json', 'package.json', 'tsconfig.json', 'vite.config.ts']) {
    await cp(join(ROOT, path), join(folder, path), { recursive: true });
  }
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const change = async (file: string, from: RegExp, to: string) => {
    const text = await readFile(join(folder, file), 'utf8');
    expect(text.match(from)).toHaveLength(2);
    await writeFile(join(folder, file), text.replace(from, to));
  };
  await change('src/model/schema-version.ts', /(WEIGHTS_SCHEMA_VERSION =) \d+/, `$1 ${WEIGHTS_SCHEMA_VERSION + 1}`);
  await change('src/model/norm.ts', /(: )stored\[i\];/, '$11.5 * stored[i];');
  await promisify(execFile)(process.execPath, [join(ROOT, 'node_modules/vite/bin/vite.js'), 'build'], { cwd: folder });
  return join(folder, 'dist');
}

/** `123 MB/s` */
const speedText = (bytesPerSecond: number) => `${Math.round(bytesPerSecond / 1e6)} MB/s`;
const report = (line: string) => process.stderr.write(`scale: ${line}\n`);

describe.skipIf(!LONG || !findChromium())('a model of full size', { timeout: 1_200_000 }, () => {
  let folder: string;
  let hub: Hub;
  let extensionDir: string;
  let browser: Lapis;
  let page: Page;
  let bytes: number;
  let content: { bytes: number; sha256: string };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lapis-scale-'));
    const path = join(folder, 'model.gguf');
    const sha256 = await writeSyntheticFile(fullSizeFile(), path);
    ({ bytes } = fullSizeFile());
    content = { bytes, sha256 };
    hub = await startHub();
    hub.serve(MODEL.url, { content: path });
    extensionDir = await repinned([[MODEL, content]]);
    await build({
      configFile: false,
      logLevel: 'error',
      build: {
        outDir: extensionDir,
        emptyOutDir: false,
        lib: {
          entry: join(ROOT, 'tools/bench/plain-steps.ts'),
          formats: ['es'],
          fileName: () => STEPS_WORKER,
        },
      },
    });
    browser = await launchLapis({ extensionDir, profileDir: join(folder, 'profile'), args: hub.browserArgs });
    page = await browser.openHeadless();
    report(`${cpus()[0].model}, ${cpus().length} threads; ${browser.context.browser()?.version()}; ${bytes} bytes`);
  });
  afterAll(async () => {
    await browser?.close();
    await hub?.close();
    for (const path of [extensionDir, folder]) if (path) await rm(path, { recursive: true, force: true });
  });

  /** How fast one plain step goes, alone, in a worker that lives for it only; bytes a second. */
  const plain = async (step: PlainStep): Promise<number> => {
    const answer = await page.evaluate(
      ([script, request]) =>
        new Promise<{ speed?: number; failed?: string }>((resolve) => {
          const worker = new Worker(`/${script}`, { type: 'module' });
          worker.onmessage = ({ data }) => {
            worker.terminate();
            resolve(data);
          };
          worker.onerror = ({ message }) => resolve({ failed: message });
          worker.postMessage(request);
        }),
      [STEPS_WORKER, { step, bytes }] as const,
    );
    if (answer.speed === undefined) throw new Error(`The plain step ${step} failed: ${answer.failed}`);
    report(`${step} alone: ${speedText(answer.speed)}`);
    return answer.speed;
  };
  const mean = (...values: number[]) => values.reduce((a, b) => a + b) / values.length;

  test('is downloaded and stored nearly as fast as the slower of a plain write and the hash alone, in little memory', async () => {
    const before = { write: await plain('write'), hash: await plain('hash') };
    await page.evaluate(() => lapis.settle());
    await browser.hostCall(page, 'acceptTerms', MODEL.license.url);
    const heap = await watchHeap(browser);
    await page.waitForTimeout(1_000);
    const idle = heap.current();
    heap.takePeak();
    const startedAt = performance.now();
    await page.evaluate((id) => lapis.host.downloadModel(id), MODEL.id);
    const ingest = (bytes / (performance.now() - startedAt)) * 1000;
    const peak = heap.takePeak() - idle;
    heap.stop();
    const after = { write: await plain('write'), hash: await plain('hash') };
    const slower = Math.min(mean(before.write, after.write), mean(before.hash, after.hash));
    report(`download and storing: ${speedText(ingest)}, ${(ingest / slower).toFixed(2)} of the slower step`);
    report(`heap over idle: ${Math.round(peak / 1e6)} MB at most (idle ${Math.round(idle / 1e6)} MB)`);
    expect(hub.takeSent()).toBe(bytes);
    expect(peak).toBeLessThan(100e6);
    expect(ingest / slower).toBeGreaterThanOrEqual(0.8);
  });

  test('is loaded from storage, on a GPU nearly as fast as the slowest of reading, hashing and uploading alone', async () => {
    const steps = async () => ({
      read: (await plain('write')) && (await plain('read')),
      digest: await plain('digest'),
      upload: await plain('upload'),
    });
    // The probe of a model that was just stored would compute beside them.
    await page.evaluate(() => lapis.settle());
    const before = await steps();
    const startedAt = performance.now();
    const { loadMs } = await page.evaluate(async (id) => {
      await lapis.host.selectModel(id);
      const prompt = { kind: 'completion' as const, text: 'The' };
      const last = (await lapis.generate({ prompt, maxTokens: 1 })).at(-1);
      if (last?.type !== 'end') throw new Error(JSON.stringify(last));
      return last.timings;
    }, MODEL.id);
    const wholeMs = performance.now() - startedAt;
    const { softwareAdapter } = await page.evaluate(() => lapis.settle());
    const load = (bytes / loadMs) * 1000;
    await browser.killOffscreenDocument();
    const after = await steps();
    const slowest = Math.min(...(['read', 'digest', 'upload'] as const).map((step) => mean(before[step], after[step])));
    report(
      `load: ${speedText(load)}, ${(load / slowest).toFixed(2)} of the slowest step; an answer after ${Math.round(wholeMs)} ms`,
    );
    if (softwareAdapter) {
      report(
        'load: not held to the slowest step, since the processor that uploads here hashes, repacks and compiles as well',
      );
      return;
    }
    expect(load / slowest).toBeGreaterThanOrEqual(0.8);
    expect(load).toBeGreaterThanOrEqual(0.5e9);
  });

  test('is renewed under another schema version without a byte fetched, and its new norms are used', async () => {
    const likeliest = async () => {
      await browser.hostCall(page, 'selectModel', MODEL.id);
      return page.evaluate(async () => {
        const events = await lapis.generate({
          prompt: { kind: 'completion', text: 'The color of the sky is' },
          maxTokens: 1,
          sampling: { logProbabilities: 1 },
        });
        const text = events.find((event) => event.type === 'text');
        return text?.logProbabilities?.[0]?.logProbability;
      });
    };
    const norms = () =>
      page.evaluate(async (directory) => {
        const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
        const file = await (await models.getDirectoryHandle(directory)).getFileHandle('norms.bin');
        return [...new Set(new Float32Array(await (await file.getFile()).arrayBuffer()))];
      }, directoryOf(MODEL.id));
    const before = await likeliest();
    expect(await norms()).toEqual([1]);
    const asked = hub.requests.length;
    await browser.close();

    const next = await repinned([[MODEL, content]], await nextVersion(join(folder, 'next')));
    browser = await launchLapis({ extensionDir: next, profileDir: join(folder, 'profile'), args: hub.browserArgs });
    page = await browser.openHeadless();
    const startedAt = performance.now();
    const status = await page.evaluate(() => lapis.settle());
    const notices = status.notices.map(({ text }) => text).join(' ');
    report(`renewed in ${Math.round(performance.now() - startedAt)} ms: ${notices}`);
    expect(notices).toContain('was deleted and made anew, without a download');
    expect(await norms()).toEqual([1.5]);
    const [model] = (await browser.hostCall(page, 'listModels')).filter(({ id }) => id === MODEL.id);
    expect(model).toMatchObject({ stored: true, details: { schemaVersion: WEIGHTS_SCHEMA_VERSION + 1 } });
    const after = await likeliest();
    expect(before).toBeLessThan(0);
    expect(after).toBeLessThan(0);
    expect(after).not.toBe(before);
    expect(hub.requests).toHaveLength(asked);
    await rm(next, { recursive: true });
  });
});
