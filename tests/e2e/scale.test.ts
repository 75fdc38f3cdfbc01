import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Headless } from '../../src/ui/headless/headless.ts';
import { fullSizeFile, writeSyntheticFile } from '../../tools/synthetic-file/synthetic-file.ts';
import type { Lapis } from './harness.ts';
import { findChromium, launchLapis } from './harness.ts';
import { watchHeap } from './heap.ts';
import type { Hub } from './hub.ts';
import { startHub } from './hub.ts';
import { pin, repinned } from './repinned.ts';
import type { PlainStep } from './scale-worker.ts';

/*
 * A file in the size and the shapes of the real 1B, from a hub on this machine, and the same bytes again from the disk. Each speed is
 * compared with the plain steps that it is made of, measured in the same run.
 */

declare const lapis: Headless;

const MODEL = pin('gemma-3-1b-it-q4_k_m');
const STEPS_WORKER = 'scale-worker.js';

/** `123 MB/s` */
const speedText = (bytesPerSecond: number) => `${Math.round(bytesPerSecond / 1e6)} MB/s`;
const report = (line: string) => process.stderr.write(`scale: ${line}\n`);

describe.skipIf(!findChromium() || process.env.LAPIS_LONG !== '1')(
  'a model of full size',
  { timeout: 1_200_000 },
  () => {
    let folder: string;
    let hub: Hub;
    let extensionDir: string;
    let browser: Lapis;
    let page: Page;
    let bytes: number;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'lapis-scale-'));
      const path = join(folder, 'model.gguf');
      const sha256 = await writeSyntheticFile(fullSizeFile(), path);
      ({ bytes } = fullSizeFile());
      hub = await startHub();
      hub.serve(MODEL.url, { content: path });
      extensionDir = await repinned([[MODEL, { bytes, sha256 }]]);
      await build({
        configFile: false,
        logLevel: 'error',
        build: {
          outDir: extensionDir,
          emptyOutDir: false,
          lib: {
            entry: resolve(import.meta.dirname, 'scale-worker.ts'),
            formats: ['es'],
            fileName: () => STEPS_WORKER,
          },
        },
      });
      browser = await launchLapis({ extensionDir, args: hub.browserArgs });
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

    test('is loaded from storage nearly as fast as the slowest of reading, hashing and uploading alone', async () => {
      const steps = async () => ({
        read: (await plain('write')) && (await plain('read')),
        digest: await plain('digest'),
        upload: await plain('upload'),
      });
      const before = await steps();
      const startedAt = performance.now();
      await page.evaluate((id) => lapis.host.selectModel(id), MODEL.id);
      const load = (bytes / (performance.now() - startedAt)) * 1000;
      await browser.killOffscreenDocument();
      const after = await steps();
      const slowest = Math.min(
        ...(['read', 'digest', 'upload'] as const).map((step) => mean(before[step], after[step])),
      );
      report(`load: ${speedText(load)}, ${(load / slowest).toFixed(2)} of the slowest step`);
      expect(load / slowest).toBeGreaterThanOrEqual(0.8);
    });
  },
);
