import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import type { LapisHost } from '../../src/protocol/host.ts';
import type { Headless } from '../../src/ui/headless/headless.ts';
import { adapterSwitches, QUIET_SWITCHES } from '../../tools/browser/switches.ts';
import { findBrowser } from '../../tools/setup/browser.mjs';

/** The built extension. */
export const DIST = resolve(import.meta.dirname, '../../dist');

export interface LaunchOptions {
  extensionDir?: string;
  /** A profile to go on with; a fresh one, deleted at the end, when absent. */
  profileDir?: string;
  headless?: boolean;
  /** Further switches for Chromium. */
  args?: string[];
}

/** The methods whose answers are plain values. */
type HostMethod = Exclude<keyof LapisHost, 'watchStatus' | 'watchChat' | 'generate' | 'runBenchmark' | 'importModel'>;

declare const lapis: Headless;

export interface Lapis {
  context: BrowserContext;
  extensionId: string;
  /** A new tab on a page of the extension, `src/ui/popup/index.html`, say. */
  openPage(path: string): Promise<Page>;
  /** The headless page, on whose `lapis` global the host hangs. */
  openHeadless(): Promise<Page>;
  /** Calls a method of the host from the headless page; not for those that give a stream. */
  hostCall<K extends HostMethod>(
    page: Page,
    method: K,
    ...args: Parameters<LapisHost[K]>
  ): Promise<Awaited<ReturnType<LapisHost[K]>>>;
  /** The CDP targets of the whole browser: the offscreen document and the workers are here, though not among Playwright's pages. */
  targets(): Promise<{ targetId: string; type: string; url: string; title: string; parentId?: string }[]>;
  /** A CDP session of its own with the whole browser. */
  browserCdp(): Promise<CDPSession>;
  /** Runs a script in the engine worker; returns when it has run, and throws what it throws. */
  runInEngine(script: string): Promise<void>;
  /** Ends the engine worker from within, as a crash would: it says nothing to anybody. */
  killEngineWorker(): Promise<void>;
  /** Lets the engine worker compute for ever, so that it answers nobody. */
  hangEngineWorker(): Promise<void>;
  /** Closes the offscreen document. */
  killOffscreenDocument(): Promise<void>;
  /** Ends the service worker; Chrome starts it again when something needs it. */
  killServiceWorker(): Promise<void>;
  /** Kills the whole browser as the system would, and returns when it is gone: nothing of it gets to tidy up. */
  killBrowser(): Promise<void>;
  close(): Promise<void>;
}

/** The path of a usable Chromium, or undefined with the reason on stderr. */
export function findChromium(): string | undefined {
  const path = findBrowser({ chromiumOnly: true });
  if (!path) console.error('Skipped: there is no Chromium; install it or set CHROME_PATH.');
  return path;
}

/**
 * What Chromium does without: renderers that it starts beside every window for what may pop up under its address bar, which took half of the CPU's
 * time of a test; and, since of several such switches the last counts, what Playwright turns off that would reach a test.
 */
const WITHOUT_FEATURES = `--disable-features=${[
  'WebUIOmniboxPopup',
  'WebUIOmniboxAimPopup',
  'HttpsUpgrades',
  'HttpsFirstBalancedModeAutoEnable',
  'PaintHolding',
  'AvoidUnnecessaryBeforeUnloadCheckSync',
  'DestroyProfileOnBrowserClose',
  'OptimizationHints',
  'PreconnectToSearch',
].join()}`;

/** Starts Chromium for pages around a pretended host, without the extension. */
export function launchForPages(): Promise<Browser> {
  return chromium.launch({ executablePath: findChromium(), args: ['--no-sandbox', WITHOUT_FEATURES] });
}

/** Starts Chromium with the extension loaded, on SwiftShader. */
export async function launchLapis(options: LaunchOptions = {}): Promise<Lapis> {
  const { extensionDir = process.env.LAPIS_DIST ?? DIST, headless = true, args = [] } = options;
  const executablePath = findChromium();
  if (!executablePath) throw new Error('There is no Chromium to test with.');
  if (!existsSync(join(extensionDir, 'manifest.json'))) {
    throw new Error(`${extensionDir} holds no built extension: run npm run build first.`);
  }
  const profile = options.profileDir ?? (await mkdtemp(join(tmpdir(), 'lapis-e2e-')));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    // Playwright's own headless mode is the old shell, which has no extensions; the switch below is the real browser's.
    headless: false,
    ignoreDefaultArgs: ['--disable-extensions'],
    args: [
      ...(headless ? ['--headless=new'] : []),
      // The tests show the browser nothing but themselves, and run where its sandbox cannot be set up.
      '--no-sandbox',
      `--disable-extensions-except=${extensionDir}`,
      `--load-extension=${extensionDir}`,
      ...QUIET_SWITCHES,
      WITHOUT_FEATURES,
      ...adapterSwitches('swiftshader', { headless }),
      ...args,
    ],
  });
  // SwiftShader on a busy machine takes its time.
  context.setDefaultTimeout(60_000);
  const worker = context.serviceWorkers()[0] ?? (await context.waitForEvent('serviceworker', { timeout: 20_000 }));
  const extensionId = new URL(worker.url()).host;
  const browserCdp = await openBrowserCdp(context);

  const targets: Lapis['targets'] = async () => (await browserCdp.send('Target.getTargets')).targetInfos;
  const openPage = async (path: string) => {
    const page = await context.newPage();
    await page.goto(`chrome-extension://${extensionId}/${path}`);
    return page;
  };
  return {
    context,
    extensionId,
    openPage,
    openHeadless: () => openPage('src/ui/headless/index.html'),
    hostCall: (page, method, ...args) => {
      const answer = page.evaluate(
        ([name, values]) => (lapis.host[name] as (...values: unknown[]) => Promise<never>)(...values),
        [method, args] as [HostMethod, unknown[]],
      );
      return within(120_000, answer, `The host has not answered ${method}`);
    },
    targets,
    browserCdp: () => openBrowserCdp(context),
    runInEngine: (script) => evaluateInEngine(browserCdp, targets, script, { returns: true }),
    // That it is gone cannot be waited for: Chromium goes on listing some that have ended.
    killEngineWorker: async () => evaluateInEngine(browserCdp, targets, 'close()', { returns: false }),
    hangEngineWorker: async () => evaluateInEngine(browserCdp, targets, 'for (;;);', { returns: false }),
    async killOffscreenDocument() {
      const { targetId } = await offscreenDocument(targets);
      await browserCdp.send('Target.closeTarget', { targetId });
    },
    async killServiceWorker() {
      const page = await openPage('manifest.json');
      const cdp = await context.newCDPSession(page);
      await cdp.send('ServiceWorker.enable');
      await cdp.send('ServiceWorker.stopAllWorkers');
      await page.close();
    },
    async killBrowser() {
      const { processInfo } = await browserCdp.send('SystemInfo.getProcessInfo');
      const gone = new Promise<void>((resolve) => context.once('close', () => resolve()));
      for (const { type, id } of processInfo) if (type === 'browser') process.kill(id, 'SIGKILL');
      await gone;
    },
    async close() {
      await context.close();
      if (!options.profileDir) await rm(profile, { recursive: true, force: true });
    },
  };
}

async function within<T>(limitMs: number, work: Promise<T>, what: string): Promise<T> {
  const end = new AbortController();
  const late = pause(limitMs, undefined, { signal: end.signal }).then(() => {
    throw new Error(`${what} within ${limitMs / 1000} s.`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    end.abort();
    late.catch(() => {});
  }
}

type Targets = Lapis['targets'];

async function offscreenDocument(targets: Targets) {
  const found = (await targets()).find(({ url }) => url.endsWith('/src/offscreen/offscreen.html'));
  if (!found) throw new Error('There is no offscreen document.');
  return found;
}

/** The workers of the offscreen document: a second one for as long as one that was ended takes to go. */
async function engineWorkers(targets: Targets): Promise<string[]> {
  const { targetId: parent } = await offscreenDocument(targets);
  const workers = (await targets()).filter((target) => target.type === 'worker' && target.parentId === parent);
  if (workers.length === 0) throw new Error('There is no engine worker.');
  return workers.map(({ targetId }) => targetId);
}

/** Sends an expression to the engine worker, and waits until it has run if it is one that `returns`. */
async function evaluateInEngine(
  cdp: CDPSession,
  targets: Targets,
  expression: string,
  { returns }: { returns: boolean },
): Promise<void> {
  const attach = async (targetId: string) =>
    (await cdp.send('Target.attachToTarget', { targetId, flatten: false })).sessionId;
  const send = (sessionId: string, id: number, method: string, params: object) =>
    cdp.send('Target.sendMessageToTarget', { sessionId, message: JSON.stringify({ id, method, params }) });
  const heard = (of: (event: { sessionId: string; message: string }) => boolean) =>
    new Promise<string | undefined>((resolve) => {
      const listen = (event: { sessionId: string; message: string }) => of(event) && end(event.message);
      const timer = setTimeout(() => end(undefined), 30_000);
      const end = (value?: string) => {
        clearTimeout(timer);
        cdp.off('Target.receivedMessageFromTarget', listen);
        resolve(value);
      };
      cdp.on('Target.receivedMessageFromTarget', listen);
    });
  // A worker's session hears nothing until its document's has attached to it.
  const document = await attach((await offscreenDocument(targets)).targetId);
  const attached = heard(
    ({ sessionId, message }) =>
      sessionId === document && message.includes('"Target.attachedToTarget"') && message.includes('"worker"'),
  );
  await send(document, 1, 'Target.setAutoAttach', { autoAttach: true, flatten: false, waitForDebuggerOnStart: false });
  if (!(await attached)) throw new Error('The document did not attach to its worker.');
  const reached = (await engineWorkers(targets)).map(async (targetId) => {
    const worker = await attach(targetId);
    const answered = heard(({ sessionId }) => sessionId === worker);
    await send(worker, 2, 'Runtime.enable', {});
    // One that is on its way out no longer answers.
    if (!(await answered)) throw new Error('The engine worker does not answer the debugger.');
    const ran = returns && heard(({ sessionId, message }) => sessionId === worker && JSON.parse(message).id === 3);
    await send(worker, 3, 'Runtime.evaluate', { expression });
    if (ran === false) return;
    const answer = await ran;
    if (!answer) throw new Error('The script has not returned.');
    const { exceptionDetails } = JSON.parse(answer).result;
    if (exceptionDetails) throw new Error(`The script failed: ${exceptionDetails.exception?.description}`);
  });
  await Promise.any(reached);
}

async function openBrowserCdp(context: BrowserContext): Promise<CDPSession> {
  const browser = context.browser();
  if (browser) return browser.newBrowserCDPSession();
  return context.newCDPSession(context.pages()[0] ?? (await context.newPage()));
}
