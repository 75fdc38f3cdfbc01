import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { answerPrompt } from '../start/prompt.ts';
import { openWindow } from '../start/window.ts';
import { launchBrowser } from './browser.ts';
import type { FakeBehaviour } from './testing/fake-browser.ts';
import { installFakeBrowser } from './testing/fake-browser.ts';

/* What becomes of a start where the browser does not do as it is told. */

/** The id that belongs to the key below. */
const ID = 'hajoiamiieihkcebbobooenpljpcckig';
const WORKER = `chrome-extension://${ID}/service-worker-loader.js`;

let folder: string;
let said: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lapis-browser-'));
  await writeFile(join(folder, 'manifest.json'), JSON.stringify({ key: 'AAAA' }));
  for (const name of ['XDG_CACHE_HOME', 'HOME', 'LOCALAPPDATA']) vi.stubEnv(name, folder);
  said = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += text;
    return true;
  });
  // The browser gets seconds to come round; here they pass a hundred times as fast.
  const { now } = Date;
  const start = now();
  vi.spyOn(Date, 'now').mockImplementation(() => start + (now() - start) * 100);
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

async function launch(behaviour: FakeBehaviour) {
  const executable = await installFakeBrowser(folder, behaviour);
  return launchBrowser({
    executable,
    extensionDir: folder,
    profileDir: join(folder, 'profile'),
    headless: true,
    adapter: 'swiftshader',
  });
}

const asked = async (): Promise<{ asked: string[]; switches: string[] }> =>
  JSON.parse(await readFile(join(folder, 'asked.json'), 'utf8'));

describe.skipIf(process.platform === 'win32')('a browser', () => {
  test('that loads the extension when it is told to is ready', async () => {
    const browser = await launch({ worker: WORKER });
    expect(browser.extensionId).toBe(ID);
    await browser.close();
    expect((await asked()).asked).toEqual(['Extensions.loadUnpacked', 'Target.getTargets', 'Browser.close']);
  });

  test('that refuses to be told, but took the switch, is ready too', async () => {
    const browser = await launch({ refuses: 'Method not available.', worker: WORKER });
    await browser.close();
    expect((await asked()).switches).toContain(`--load-extension=${folder}`);
  });

  test('that takes no extension is closed, with the reason kept', async () => {
    await expect(launch({ refuses: 'Method not available.' })).rejects.toMatchObject({
      code: 'unsupported',
      message: 'This browser does not let a program load an extension.',
      cause: { message: 'The browser refused: Method not available.' },
    });
    expect((await asked()).asked.at(-1)).toBe('Browser.close');
  });

  test.each([
    ['Failed to move to new namespace', 'The browser could not set up its sandbox on this system.'],
    ['Failed to create a ProcessSingleton for your profile', 'A browser is already open on'],
    ['error while loading shared libraries: libnss3.so', 'The browser ended as it started: error while loading'],
  ])('that ends with “%s” is told of in a sentence', async (dies, message) => {
    await expect(launch({ dies })).rejects.toThrow(message);
  });
});

describe.skipIf(process.platform === 'win32')('where a browser takes no extension from a program', () => {
  const byHand = () =>
    `Open chrome://extensions, switch on "Developer mode" and choose "Load unpacked".\nThen pick the folder ${folder}.\n`;

  const place = async () => ({
    executable: await installFakeBrowser(folder, { refuses: 'Method not available.' }),
    extensionDir: folder,
    signal: new AbortController().signal,
  });

  test('a window is not opened, and two lines say how to load it by hand', async () => {
    await expect(openWindow(await place())).rejects.toMatchObject({ code: 'unsupported' });
    expect(said).toContain(byHand());
  });

  test('a prompt is not answered, with the same two lines', async () => {
    const request = { prompt: { kind: 'completion', text: 'The sky is' } } as const;
    await expect(answerPrompt({ request, json: false }, await place())).rejects.toMatchObject({ code: 'unsupported' });
    expect(said).toContain(byHand());
  });
});
