// @ts-check
import { accessSync, constants, existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { execute } from './execute.mjs';
import { SetupError, say } from './say.mjs';

/** Names on PATH. Chromium first: it takes an extension from the command line without asking. */
const NAMES = [
  'chromium',
  'chromium-browser',
  'google-chrome-stable',
  'google-chrome',
  'google-chrome-beta',
  'microsoft-edge-stable',
  'microsoft-edge',
];

const MAC_APPS = ['Chromium', 'Google Chrome', 'Microsoft Edge'];
const WINDOWS_APPS = [
  'Chromium\\Application\\chrome.exe',
  'Google\\Chrome\\Application\\chrome.exe',
  'Microsoft\\Edge\\Application\\msedge.exe',
];

/** @returns {string[]} */
function usualPlaces() {
  const { env } = process;
  if (process.platform === 'darwin') {
    return ['/Applications', join(homedir(), 'Applications')].flatMap((folder) =>
      MAC_APPS.map((app) => join(folder, `${app}.app/Contents/MacOS/${app}`)),
    );
  }
  if (process.platform === 'win32') {
    return [env.LOCALAPPDATA, env.PROGRAMFILES, env['PROGRAMFILES(X86)']].flatMap((folder) =>
      folder ? WINDOWS_APPS.map((app) => join(folder, app)) : [],
    );
  }
  const folders = [...(env.PATH ?? '').split(delimiter).filter(Boolean), '/usr/bin', '/usr/local/bin', '/snap/bin'];
  return [
    ...NAMES.flatMap((name) => folders.map((folder) => join(folder, name))),
    '/opt/google/chrome/chrome',
    '/opt/microsoft/msedge/msedge',
  ];
}

/**
 * The path of an installed Chromium, Chrome or Edge: CHROME_PATH if set, else the first in the usual places.
 * @param {{chromiumOnly?: boolean}} [options] chromiumOnly: not the branded ones, which refuse `--load-extension`
 * @returns {string | undefined}
 */
export function findBrowser({ chromiumOnly = false } = {}) {
  const chosen = process.env.CHROME_PATH;
  if (chosen) {
    if (!existsSync(chosen)) throw new SetupError(`CHROME_PATH names ${chosen}, which is not there.`);
    return chosen;
  }
  return usualPlaces().find((path) => {
    if (chromiumOnly && !/chromium/i.test(path)) return false;
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * An installed browser, or Chromium from apt where this is Debian or Ubuntu and the rights allow it.
 * @param {{chromiumOnly?: boolean}} [options] see findBrowser
 * @returns {Promise<string>}
 */
export async function ensureBrowser(options = {}) {
  const found = findBrowser(options) ?? ((await installChromium()) ? findBrowser(options) : undefined);
  if (found) return found;
  throw new SetupError(
    options.chromiumOnly
      ? 'The tests need Chromium (124 or newer): install it, or set CHROME_PATH to the program.'
      : 'There is no browser for Lapis: install Chromium, Chrome or Edge (124 or newer), or set CHROME_PATH to the program.',
  );
}

/** Whether apt was allowed to install Chromium, and did. */
async function installChromium() {
  if (process.platform !== 'linux' || !existsSync('/usr/bin/apt-get')) return false;
  const root = process.getuid?.() === 0;
  if (!root && (await execute('sudo', ['-n', 'true'], { output: 'never' })) !== 0) return false;
  say('Installing Chromium with apt-get …');
  const apt = (/** @type {string[]} */ args) =>
    root
      ? execute('apt-get', args, { env: { DEBIAN_FRONTEND: 'noninteractive' } })
      : execute('sudo', ['-n', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...args]);
  await apt(['update', '-q']);
  return (await apt(['install', '-y', '-q', '--no-install-recommends', 'chromium'])) === 0;
}
