import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { LapisError } from '../../src/protocol/errors.ts';
import { CdpPipe } from './cdp-pipe.ts';
import { type AdapterChoice, adapterSwitches, QUIET_SWITCHES, sandboxSwitches } from './switches.ts';

export interface LaunchOptions {
  executable: string;
  /** The built extension. */
  extensionDir: string;
  /** Kept by the browser; one browser at a time may use it. */
  profileDir: string;
  headless: boolean;
  adapter: AdapterChoice;
  /** Further switches. */
  switches?: string[];
}

/** A running browser with the extension loaded. */
export interface Browser {
  readonly extensionId: string;
  /** Opens a tab on a page of the extension, `src/ui/popup/index.html`, say. */
  openPage(path: string): Promise<ExtensionPage>;
  /** Resolves when the browser has ended, by itself or by `close`. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

/** A page of the extension, driven from outside. */
export interface ExtensionPage {
  /**
   * Evaluates an expression in the page, awaits it and returns its JSON value. `onEvent` receives the strings that the page
   * passes to `lapisEvent(text)` meanwhile. Rejects with the page's error message.
   */
  evaluate<T>(expression: string, onEvent?: (text: string) => void): Promise<T>;
  /** Chooses a file in an `<input type=file>`. */
  chooseFile(selector: string, path: string): Promise<void>;
  /** Gives the page the keyboard, which a new window gives to its address bar. */
  focus(): Promise<void>;
}

/** What `launchBrowser` throws where the system forbids the browser's sandbox. */
export const NO_SANDBOX_MESSAGE = 'The browser could not set up its sandbox on this system.';

/** How long the browser may take to load the extension. */
const START_MS = 30_000;

/**
 * Starts a browser and loads the extension into it, through `Extensions.loadUnpacked`, which branded builds take too, and
 * `--load-extension` for older ones. Throws `unsupported` when the browser refuses both: `manualSteps` are left then.
 */
export async function launchBrowser(options: LaunchOptions): Promise<Browser> {
  const { executable, extensionDir, profileDir, headless, adapter, switches = [] } = options;
  const extensionId = await idOfExtension(extensionDir);
  const child = spawn(
    executable,
    [
      `--user-data-dir=${profileDir}`,
      '--remote-debugging-pipe',
      '--enable-unsafe-extension-debugging',
      `--load-extension=${extensionDir}`,
      ...(headless ? ['--headless=new'] : []),
      ...QUIET_SWITCHES,
      ...sandboxSwitches(),
      ...adapterSwitches(adapter, { headless }),
      ...switches,
      'about:blank',
    ],
    // A process group of its own: Ctrl-C in the terminal reaches us alone, and we close the browser in order.
    { stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'], detached: process.platform !== 'win32' },
  );
  let complaints = '';
  child.stderr?.on('data', (data: Buffer) => {
    complaints = (complaints + data.toString()).slice(-20_000);
    if (process.env.LAPIS_DEBUG) process.stderr.write(data);
  });
  const cdp = new CdpPipe(child.stdio[3] as Writable, child.stdio[4] as Readable);
  const ended = new Promise<void>((resolve) => {
    child.on('error', () => resolve());
    child.on('exit', () => resolve());
  });
  ended.then(() => cdp.close());
  const killAtExit = () => child.kill('SIGKILL');
  process.on('exit', killAtExit);
  ended.then(() => process.off('exit', killAtExit));

  const close = async () => {
    await cdp.send('Browser.close').catch(() => {});
    const patience = setTimeout(() => child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(patience);
  };
  try {
    await loadExtension(cdp, extensionDir, extensionId);
  } catch (error) {
    await close();
    throw LapisError.from(error).code === 'peer-lost' ? diedAtStart(complaints, profileDir, error) : error;
  }
  return {
    extensionId,
    openPage: (path) => openPage(cdp, `chrome-extension://${extensionId}/${path}`),
    ended,
    close,
  };
}

/** Two lines for a person whose browser takes no extension from a program. */
export function manualSteps(extensionDir: string): string {
  return `Open chrome://extensions, switch on "Developer mode" and choose "Load unpacked".\nThen pick the folder ${extensionDir}.`;
}

/** Chrome's id of an unpacked extension with a `key`: the first half of the key's SHA-256, hex digits written as a to p. */
async function idOfExtension(extensionDir: string): Promise<string> {
  const { key } = JSON.parse(await readFile(join(extensionDir, 'manifest.json'), 'utf8')) as { key: string };
  const digest = createHash('sha256').update(Buffer.from(key, 'base64')).digest('hex').slice(0, 32);
  return [...digest].map((digit) => String.fromCharCode(97 + Number.parseInt(digit, 16))).join('');
}

async function loadExtension(cdp: CdpPipe, extensionDir: string, extensionId: string): Promise<void> {
  let refusal: unknown;
  await cdp.send('Extensions.loadUnpacked', { path: extensionDir }).catch((error) => {
    refusal = error;
  });
  const deadline = Date.now() + (refusal ? 5000 : START_MS);
  for (;;) {
    const origin = `chrome-extension://${extensionId}/`;
    if ((await targets(cdp)).some(({ type, url }) => type === 'service_worker' && url.startsWith(origin))) return;
    if (Date.now() > deadline) {
      throw new LapisError('unsupported', 'This browser does not let a program load an extension.', { cause: refusal });
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function diedAtStart(complaints: string, profileDir: string, cause: unknown): LapisError {
  if (/No usable sandbox|SUID sandbox|Failed to move to new namespace/.test(complaints)) {
    return new LapisError('peer-lost', NO_SANDBOX_MESSAGE, { cause });
  }
  if (/ProcessSingleton|profile appears to be in use|Opening in existing/i.test(complaints)) {
    return new LapisError('busy', `A browser is already open on ${profileDir}: close it first.`, { cause });
  }
  const last = complaints.trim().split('\n').at(-1);
  return new LapisError('peer-lost', `The browser ended as it started${last ? `: ${last}` : '.'}`, { cause });
}

interface Evaluated {
  result: { value?: unknown };
  exceptionDetails?: { text: string; exception?: { description?: string; value?: unknown } };
}

/** The targets of the whole browser. */
async function targets(cdp: CdpPipe): Promise<{ targetId: string; type: string; url: string }[]> {
  const { targetInfos } = await cdp.send<{ targetInfos: { targetId: string; type: string; url: string }[] }>(
    'Target.getTargets',
  );
  return targetInfos;
}

/** In the empty tab that the browser starts with, or else in a new one. */
async function openPage(cdp: CdpPipe, url: string): Promise<ExtensionPage> {
  const blank = (await targets(cdp)).find((target) => target.type === 'page' && target.url === 'about:blank');
  const { targetId } = blank ?? (await cdp.send<{ targetId: string }>('Target.createTarget', { url: 'about:blank' }));
  const { sessionId } = await cdp.send<{ sessionId: string }>('Target.attachToTarget', { targetId, flatten: true });
  const send = <Result>(method: string, params?: object) => cdp.send<Result>(method, params, sessionId);
  await send('Page.navigate', { url });
  await send('Runtime.enable');
  await send('Runtime.addBinding', { name: 'lapisEvent' });
  const evaluateNow = (expression: string) =>
    send<Evaluated>('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
  const deadline = Date.now() + START_MS;
  const loaded = `document.readyState === 'complete' && location.href === ${JSON.stringify(url)}`;
  while ((await evaluateNow(loaded)).result.value !== true) {
    if (Date.now() > deadline) throw new LapisError('peer-lost', `The page ${url} does not load.`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    async evaluate<T>(expression: string, onEvent?: (text: string) => void) {
      const done = new AbortController();
      cdp.onEvent((method, params, session) => {
        if (method === 'Runtime.bindingCalled' && session === sessionId) onEvent?.(String(params.payload));
      }, done.signal);
      try {
        const { result, exceptionDetails } = await evaluateNow(expression);
        if (exceptionDetails) throw pageError(exceptionDetails);
        return result.value as T;
      } finally {
        done.abort();
      }
    },
    async focus() {
      await send('Page.bringToFront');
    },
    async chooseFile(selector, path) {
      const { root } = await send<{ root: { nodeId: number } }>('DOM.getDocument');
      const { nodeId } = await send<{ nodeId: number }>('DOM.querySelector', { nodeId: root.nodeId, selector });
      await send('DOM.setFileInputFiles', { nodeId, files: [path] });
    },
  };
}

function pageError({ text, exception }: NonNullable<Evaluated['exceptionDetails']>): LapisError {
  const description = exception?.description?.split('\n', 1)[0] ?? text;
  return new LapisError('internal', description.replace(/^(Uncaught )?(\w*Error: )?/, ''));
}
