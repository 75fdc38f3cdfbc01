import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestPages } from '../../src/ui/testing/build-pages.ts';
import { buildTestPages } from '../../src/ui/testing/build-pages.ts';
import { DEMO_MODEL, GEMMA_MODEL } from '../../src/ui/testing/models.ts';
import type { Scene } from '../../src/ui/testing/open-page.ts';
import { openTestPage } from '../../src/ui/testing/open-page.ts';
import { findChromium, launchForPages } from './harness.ts';
import { GEMMA, OPTIONS_SCENES, STORED_GEMMA, SUSPECT_GEMMA } from './ui-scenes.ts';
import type { Steered } from './ui-steering.ts';
import { calls, setStatus, violations } from './ui-steering.ts';

const executablePath = findChromium();

const WITH_GEMMA: Scene = { models: [DEMO_MODEL, STORED_GEMMA] };

/** Lets the directory picker answer with a folder of this name, in the page's own storage. */
const pickFolder = (page: Page, name: string) =>
  page.evaluate(async (name) => {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle(name, { create: true });
    Object.assign(globalThis, { showDirectoryPicker: async () => folder });
  }, name);

describe.skipIf(!executablePath)('the models in the settings', () => {
  let browser: Browser;
  let pages: TestPages;

  beforeAll(async () => {
    pages = await buildTestPages();
    browser = await launchForPages();
  });
  afterAll(async () => {
    await browser?.close();
    await pages?.remove();
  });

  const open = (scene: Scene) => openTestPage(browser, pages, 'options', scene);
  const cardOf = (page: Page, name: string) =>
    page.getByRole('listitem').filter({ has: page.getByRole('heading', { name, exact: true }) });
  const focused = (page: Page) => page.evaluate(() => document.activeElement?.textContent);

  test('tell what a model is, what it takes and where it came from', async () => {
    await using opened = await open(OPTIONS_SCENES['several models']);
    const { page } = opened;
    await page.getByText('Stored models and downloads: 1.54 GB · 52.4 GB free').waitFor();
    const card = cardOf(page, 'Gemma 3 1B');
    await card
      .getByText('1.0 B parameters · Q4_K · Q8_0 · Q6_K · needs about 1.09 GB of GPU memory · used 3 days ago')
      .waitFor();
    const source = card.getByText(STORED_GEMMA.details!.source);
    expect(await source.isVisible()).toBe(false);
    await card.locator('summary').focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => source.isVisible()).toBe(true);
    const rows = await card.locator('.rows > div').allInnerTexts();
    expect(rows.map((row) => row.split('\n')[0])).toEqual([
      'Parameters',
      'Weights',
      'On disk',
      'GPU memory needed',
      'Last used',
      'Schema version',
      'Source',
      'License',
      'SHA-256 of the source',
      'Id',
    ]);
    expect(rows).toContain('GPU memory needed\nabout 1.09 GB');
    expect(rows.join('\n')).toContain('Q4_K 402 MB, Q8_0 321 MB, Q6_K 81.9 MB, F32 621 kB');
    expect(opened.wrong).toEqual([]);
  });

  test('are used and unloaded, one at a time', async () => {
    await using opened = await open(WITH_GEMMA);
    const { page } = opened;
    const card = cardOf(page, 'Gemma 3 1B');
    await setStatus(page, { activity: { kind: 'loading', modelId: 'demo', bytesDone: 1, bytesTotal: 2 } });
    await card.getByRole('button', { name: 'Use Gemma 3 1B' }).click();
    await card.getByText('Another model is being worked on.').waitFor();
    expect(await calls(page, 'selectModel')).toEqual([]);
    await cardOf(page, 'Lapis demo').getByRole('button', { name: 'Cancel' }).click();
    expect(await calls(page, 'cancelModelActivity')).toHaveLength(1);

    await card.getByRole('button', { name: 'Use Gemma 3 1B' }).click();
    await card.getByText('In use', { exact: true }).waitFor();
    await card.getByRole('button', { name: 'Unload Gemma 3 1B' }).click();
    await card.getByText('Selected', { exact: true }).waitFor();
    expect(await calls(page, 'unloadModel')).toHaveLength(1);
  });

  test('that wait for their file say so, answer nobody, and can be deleted', async () => {
    const reason = 'The import of mine was cut off: choose its file again in the settings to go on from there.';
    const waiting = {
      id: 'file:mine.gguf',
      name: 'mine',
      bytes: 4e8,
      stored: false,
      license: STORED_GEMMA.license,
      waiting: reason,
    };
    await using opened = await open({ models: [DEMO_MODEL, waiting] });
    const { page } = opened;
    const card = cardOf(page, 'mine');
    await card.getByText(reason).waitFor();
    await card.getByText('Not usable yet', { exact: true }).waitFor();
    expect(await card.getByRole('button').allTextContents()).toEqual(['Delete']);
    expect(await violations(page)).toEqual([]);
    await card.getByRole('button', { name: 'Delete mine' }).click();
    await card.getByText('Delete it and free 400 MB? To have it again you need its file.').waitFor();
    await card.getByRole('button', { name: 'Delete' }).click();
    await card.waitFor({ state: 'detached' });
    expect(await calls(page, 'removeModel')).toEqual([['file:mine.gguf']]);
  });

  test('that could not be made usable are tried again by using them', async () => {
    const reason = 'It could not be made anew (the disk is full): that is tried again when you use it.';
    const { details: _, ...gemma } = STORED_GEMMA;
    const waiting = { ...gemma, stored: false, waiting: reason, renewable: true as const };
    await using opened = await open({ models: [DEMO_MODEL, waiting] });
    const { page } = opened;
    const card = cardOf(page, 'Gemma 3 1B');
    await card.getByText(reason).waitFor();
    expect(await card.getByRole('button').allTextContents()).toEqual(['Use', 'Delete']);
    await card.getByRole('button', { name: 'Delete Gemma 3 1B' }).click();
    await card.getByText('To have it again is a download of 806 MB.').waitFor();
    await card.getByRole('button', { name: 'Keep' }).click();
    await page.evaluate((reason) => {
      const { host } = (globalThis as never as Steered).page;
      host.failNext('selectModel', new Error(reason) as never);
    }, reason);
    await card.getByRole('button', { name: 'Use Gemma 3 1B' }).click();
    await card.getByRole('alert').waitFor();
    expect(await card.getByText(reason).count()).toBe(1);
    await card.getByRole('button', { name: 'Use Gemma 3 1B' }).click();
    await expect.poll(() => calls(page, 'selectModel')).toEqual([[GEMMA], [GEMMA]]);
  });

  test('are deleted after a question that says what it frees and what it costs', async () => {
    await using opened = await open({ ...OPTIONS_SCENES['several models'] });
    const { page } = opened;
    const card = cardOf(page, 'Gemma 3 1B');
    const remove = card.getByRole('button', { name: 'Delete Gemma 3 1B' });
    await remove.focus();
    await page.keyboard.press('Enter');
    await card.getByText('Delete it and free 811 MB? To have it again is a download of 806 MB.').waitFor();
    expect(await focused(page)).toBe('Keep');
    expect(await violations(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await expect.poll(() => focused(page)).toBe('Delete');
    expect(await calls(page, 'removeModel')).toEqual([]);

    await page.keyboard.press('Enter');
    await card.getByRole('button', { name: 'Delete', exact: true }).click();
    expect(await calls(page, 'removeModel')).toEqual([[GEMMA]]);
    // It can be had again, and the keyboard has a place.
    await card.getByRole('button', { name: 'Download 806 MB' }).waitFor();
    expect(await focused(page)).toBe('On this machine');
    await expect.poll(() => page.locator('[role=status]').allTextContents()).toContain('Gemma 3 1B was deleted.');

    await page.getByRole('button', { name: 'Delete my-tuned-gemma' }).click();
    await page.getByText('Delete it and free 811 MB? To have it again you need its file.').waitFor();
    // The packaged one stays.
    expect(await page.getByRole('button', { name: 'Delete Lapis demo' }).count()).toBe(0);
  });

  test.each([
    ['every byte is right', { damaged: [], repaired: [] }, ['Every byte is as it was stored.']],
    [
      'a part was repaired',
      { damaged: ['shard-3 was damaged.'], repaired: ['shard-3 was repaired from huggingface.co.'] },
      ['One part was damaged and is repaired:', 'shard-3 was repaired from huggingface.co.'],
    ],
    [
      'some cannot be repaired',
      {
        damaged: ['a was damaged.', 'b is damaged: it is gone.', 'c is damaged: it is gone.'],
        repaired: ['a is back.'],
      },
      [
        '2 of 3 damaged parts could not be repaired:',
        'b is damaged: it is gone.',
        'It gives no answers until they are.',
      ],
    ],
  ])('are verified, with a result in words: %s', async (_, verified, sentences) => {
    await using opened = await open({ ...WITH_GEMMA, verified });
    const card = cardOf(opened.page, 'Gemma 3 1B');
    await card.getByRole('button', { name: 'Verify Gemma 3 1B' }).click();
    for (const sentence of sentences) await card.getByText(sentence).waitFor();
    expect(await calls(opened.page, 'verifyModel')).toEqual([[GEMMA]]);
    expect(opened.wrong).toEqual([]);
  });

  test('that had to be deleted are offered again with their size, or forgotten', async () => {
    const gone = { ...GEMMA_MODEL, id: 'url:tuned:1', name: 'tuned', note: undefined, purged: true as const };
    await using opened = await open({ models: [DEMO_MODEL, gone], accepted: [GEMMA_MODEL.license.url] });
    const { page } = opened;
    const card = cardOf(page, 'tuned');
    await card.getByText('It was here, but this Lapis could not use').waitFor();
    expect(await violations(page)).toEqual([]);
    await card.getByRole('button', { name: 'Download 806 MB: tuned' }).click();
    await expect.poll(() => calls(page, 'downloadModel')).toEqual([[gone.id]]);
    await card.getByRole('button', { name: 'Cancel' }).click();
    await card.getByRole('button', { name: 'Forget tuned' }).click();
    await expect.poll(() => card.count()).toBe(0);
    expect(await calls(page, 'removeModel')).toEqual([[gone.id]]);
    await expect.poll(() => focused(page)).toBe('On this machine');
  });

  test('show how far a verification is, and end it', async () => {
    await using opened = await open(OPTIONS_SCENES.verifying);
    const card = cardOf(opened.page, 'Gemma 3 1B');
    await card.getByText('Verifying').waitFor();
    expect(await card.getByRole('progressbar').getAttribute('aria-valuetext')).toBe('400 MB of 800 MB');
    await card.getByRole('button', { name: 'Cancel' }).click();
    await card.getByRole('button', { name: 'Verify Gemma 3 1B' }).waitFor();
  });

  test('say that what was cancelled is about to end', async () => {
    await using opened = await open(OPTIONS_SCENES.verifying);
    const { page } = opened;
    const card = cardOf(page, 'Gemma 3 1B');
    await page.evaluate(() => {
      const { host } = (globalThis as never as Steered).page;
      const { cancelModelActivity } = host;
      // An engine that is busy: it hears of it some time later.
      host.cancelModelActivity = () => new Promise((resolve) => Object.assign(globalThis, { hear: resolve }));
      Object.assign(globalThis, { restore: () => Object.assign(host, { cancelModelActivity }) });
    });
    await card.getByRole('button', { name: 'Cancel' }).click();
    await card.getByText('It ends after the step that is under way.').waitFor();
    await page.evaluate(() => {
      const steered = globalThis as never as { hear: () => void; restore: () => void };
      steered.restore();
      steered.hear();
    });
    await card.getByRole('button', { name: 'Cancel', exact: true }).waitFor();

    // Another page cancelled it.
    const bytes = { bytesDone: 4e8, bytesTotal: 8e8 };
    await setStatus(page, { activity: { kind: 'verifying', modelId: GEMMA, ...bytes, cancelling: true } });
    await card.getByText('It ends after the step that is under way.').waitFor();
    await card.getByRole('button', { name: 'Cancelling…' }).dispatchEvent('click');
    expect(await calls(page, 'cancelModelActivity')).toEqual([]);
  });

  test('are exported into a folder of their own in the one that is picked', async () => {
    await using opened = await open(WITH_GEMMA);
    const { page } = opened;
    await pickFolder(page, 'backup');
    const card = cardOf(page, 'Gemma 3 1B');
    await card.getByRole('button', { name: 'Export Gemma 3 1B' }).click();
    await card.getByText('Exported to the folder “lapis-gemma-3-1b-it-q4_k_m”.').waitFor();
    expect(await calls(page, 'exportModel')).toEqual([[GEMMA, 'lapis-gemma-3-1b-it-q4_k_m']]);

    // A picker that is closed is no failure.
    await page.evaluate(() =>
      Object.assign(globalThis, {
        showDirectoryPicker: () => Promise.reject(new DOMException('The user aborted a request.', 'AbortError')),
      }),
    );
    await card.getByRole('button', { name: 'Export Gemma 3 1B' }).click();
    await expect.poll(() => card.getByText('Exported').count()).toBe(0);
    expect(await card.getByRole('alert').count()).toBe(0);
  });

  test('the packaged one cannot be verified or exported before it is in storage', async () => {
    await using opened = await open({
      models: [{ ...DEMO_MODEL, details: undefined }],
      status: { selectedModelId: GEMMA, loadedModelId: GEMMA },
    });
    const card = cardOf(opened.page, 'Lapis demo');
    await card.getByText('Included', { exact: true }).waitFor();
    expect(await card.getByRole('button').allTextContents()).toEqual(['Use']);
  });

  test('say in words that they are suspect', async () => {
    await using opened = await open(OPTIONS_SCENES['suspect model']);
    const card = cardOf(opened.page, 'Gemma 3 1B');
    await card.getByText('Suspect', { exact: true }).waitFor();
    await card.getByText(`${SUSPECT_GEMMA.suspect} Verify it, or delete it and get it again.`).waitFor();
  });

  test('come from a file, and another kind of file is refused in a sentence', async () => {
    await using opened = await open({});
    const { page } = opened;
    const buffer = Buffer.from('GGUF');
    await page.locator('input[type=file]').setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer });
    await page.getByText('“notes.txt” is not a .gguf file.').waitFor();
    await page.locator('input[type=file]').setInputFiles({ name: 'my.gguf', mimeType: '', buffer });
    await page.locator('.card.chosen', { hasText: 'my.gguf' }).waitFor();
    expect(await calls(page, 'importModel')).toEqual([['my.gguf']]);
  });

  test('come from a file or folder that was chosen while the engine starts', async () => {
    await using opened = await open({ starting: true });
    const { page } = opened;
    const buffer = Buffer.from('GGUF');
    const start = () => page.evaluate(() => (globalThis as never as Steered).page.host.start());
    await page.locator('input[type=file]').setInputFiles({ name: 'my.gguf', mimeType: '', buffer });
    await page.getByText('It begins as soon as the engine has started.').waitFor();
    expect(await page.getByRole('alert').count()).toBe(0);
    await start();
    await page.locator('.card.chosen', { hasText: 'my.gguf' }).waitFor();
    expect(await calls(page, 'importModel')).toEqual([['my.gguf']]);
    await expect.poll(() => page.getByText('It begins as soon').count()).toBe(0);

    await page.reload();
    await pickFolder(page, 'gemma-3-1b-it');
    await page.getByRole('button', { name: 'Choose folder…' }).click();
    await page.getByText('It begins as soon as the engine has started.').waitFor();
    await start();
    await page.locator('.card.chosen', { hasText: 'gemma-3-1b-it' }).waitFor();
  });

  test('that are chosen for an engine that does not start are refused for that reason', async () => {
    await using opened = await open({ starting: true });
    const { page } = opened;
    await page
      .locator('input[type=file]')
      .setInputFiles({ name: 'my.gguf', mimeType: '', buffer: Buffer.from('GGUF') });
    await page.evaluate(() => {
      const { host } = (globalThis as never as Steered).page;
      host.failNext('watchStatus', new Error('The engine did not start') as never);
      host.start();
    });
    await page.locator('.drop').getByRole('alert').getByText('The engine did not start.').waitFor();
    expect(await page.getByText('Another model is being worked on').count()).toBe(0);
  });

  test('come from a folder', async () => {
    await using opened = await open({});
    const { page } = opened;
    await pickFolder(page, 'gemma-3-1b-it');
    await page.getByRole('button', { name: 'Choose folder…' }).click();
    await page.locator('.card.chosen', { hasText: 'gemma-3-1b-it' }).waitFor();
    expect(await calls(page, 'importFolder')).toEqual([['gemma-3-1b-it']]);
  });

  test('are dropped: a file, a folder, and no two at a time', async () => {
    await using opened = await open({});
    const { page } = opened;
    /** As the browser hands it over: items with handles, files beside them. */
    const drop = (things: { kind: 'file' | 'directory'; name: string }[]) =>
      page.evaluate(async (things) => {
        const root = await navigator.storage.getDirectory();
        const transfer = new DataTransfer();
        const handles: (FileSystemFileHandle | FileSystemDirectoryHandle)[] = [];
        for (const { kind, name } of things) {
          transfer.items.add(new File(['GGUF'], name));
          handles.push(
            kind === 'file'
              ? await root.getFileHandle(name, { create: true })
              : await root.getDirectoryHandle(name, { create: true }),
          );
        }
        DataTransferItem.prototype.getAsFileSystemHandle = async () => handles[0];
        const event = new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true });
        document.querySelector('.drop')!.dispatchEvent(event);
      }, things);
    await drop([{ kind: 'file', name: 'dropped.gguf' }]);
    await expect.poll(() => calls(page, 'importModel')).toEqual([['dropped.gguf']]);
    await drop([{ kind: 'directory', name: 'dropped-folder' }]);
    await expect.poll(() => calls(page, 'importFolder')).toEqual([['dropped-folder']]);
    await drop([
      { kind: 'file', name: 'one.gguf' },
      { kind: 'file', name: 'two.gguf' },
    ]);
    await page.getByText('Drop one file or folder at a time.').waitFor();
    expect(await calls(page, 'importModel')).toHaveLength(1);
  });

  test('notices are read one by one or all at once, and stay away', async () => {
    await using opened = await open(OPTIONS_SCENES.busy);
    const { page } = opened;
    await expect.poll(() => page.locator('.notices > li').count()).toBe(2);
    await page.getByRole('button', { name: 'Dismiss', exact: true }).first().focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('.notices > li').count()).toBe(1);
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('Dismiss');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.getByText('What changed').count()).toBe(0);
    expect(await focused(page)).toBe('On this machine');

    await setStatus(page, {
      notices: [
        { at: 7, text: 'The same.' },
        { at: 8, text: 'The same.' },
      ],
    });
    await expect.poll(() => page.locator('.notices > li').count()).toBe(2);
    await page.getByRole('button', { name: 'Dismiss all' }).click();
    await expect.poll(() => page.locator('.notices > li').count()).toBe(0);
    expect(await calls(page, 'dismissNotices')).toEqual([[[1]], [[2]], [[7, 8]]]);
  });

  test('an engine that cannot be reached leaves the page in one piece', async () => {
    await using opened = await open({});
    const { page } = opened;
    await page.evaluate(() =>
      (globalThis as never as Steered).page.host.failNext('verifyModel', new Error('The engine stopped') as never),
    );
    await page.getByRole('button', { name: 'Verify Lapis demo' }).click();
    await cardOf(page, 'Lapis demo').getByRole('alert').getByText('The engine stopped.').waitFor();
  });
});
