import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ensureBrowser, findBrowser } from './browser.mjs';

/* A machine whose programs are the ones in a temporary folder, with or without apt. */

const machine = vi.hoisted(() => ({ folder: '', apt: true }));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  return {
    ...fs,
    accessSync(path: string, mode: number) {
      if (!path.startsWith(machine.folder)) throw new Error(`${path} is not of this machine.`);
      fs.accessSync(path, mode);
    },
    existsSync: (path: string) => (path === '/usr/bin/apt-get' ? machine.apt : fs.existsSync(path)),
  };
});

beforeEach(() => {
  machine.folder = mkdtempSync(join(tmpdir(), 'lapis-machine-'));
  machine.apt = true;
  vi.stubEnv('CHROME_PATH', '');
  vi.stubEnv('PATH', machine.folder);
  vi.stubEnv('DEBIAN_FRONTEND', '');
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(machine.folder, { recursive: true });
});

const place = (name: string) => join(machine.folder, name);
const install = (name: string, script = '') => writeFileSync(place(name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });

test('the browser is the one that CHROME_PATH names, which must be there', () => {
  vi.stubEnv('CHROME_PATH', process.execPath);
  expect(findBrowser()).toBe(process.execPath);
  vi.stubEnv('CHROME_PATH', '/no/such/browser');
  expect(() => findBrowser()).toThrow('CHROME_PATH names /no/such/browser, which is not there.');
});

describe.runIf(process.platform === 'linux')('on Linux', () => {
  const ABSENT =
    'There is no browser for Lapis: install Chromium, Chrome or Edge (124 or newer), or set CHROME_PATH to the program.';

  /** Programs that note how they were called; apt-get's installation gives Chromium. */
  function installPackageManager({ aptStatus = 0 } = {}) {
    const note = `echo "\${0##*/} $*" "$DEBIAN_FRONTEND" >> ${place('log')}`;
    install('sudo', `${note}\n[ "$2" = true ] && exit 0\nshift; export "$1"; shift; exec "$@"`);
    const chromium = `: > ${place('chromium')}; /bin/chmod 755 ${place('chromium')}`;
    install('apt-get', `${note}\n[ "$1" = install ] || exit 0\n${aptStatus ? '' : chromium}\nexit ${aptStatus}`);
  }
  const log = () => (existsSync(place('log')) ? readFileSync(place('log'), 'utf8').trim().split('\n') : []);
  const as = (user: number) => vi.spyOn(process as { getuid(): number }, 'getuid').mockReturnValue(user);

  test('Chromium is found on PATH before Chrome, and nothing is installed', async () => {
    installPackageManager();
    for (const name of ['google-chrome', 'chromium']) install(name);
    expect(await ensureBrowser()).toBe(place('chromium'));
    expect(await ensureBrowser({ chromiumOnly: true })).toBe(place('chromium'));
    expect(log()).toEqual([]);
  });

  test('without a browser, root gets Chromium from apt', async () => {
    as(0);
    installPackageManager();
    expect(await ensureBrowser()).toBe(place('chromium'));
    expect(log()).toEqual([
      'apt-get update -q noninteractive',
      'apt-get install -y -q --no-install-recommends chromium noninteractive',
    ]);
  });

  test('without a browser, who may use sudo without a password gets Chromium from apt', async () => {
    as(1000);
    installPackageManager();
    expect(await ensureBrowser({ chromiumOnly: true })).toBe(place('chromium'));
    expect(log().map((line) => line.trim())).toEqual([
      'sudo -n true',
      'sudo -n DEBIAN_FRONTEND=noninteractive apt-get update -q',
      'apt-get update -q noninteractive',
      'sudo -n DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium',
      'apt-get install -y -q --no-install-recommends chromium noninteractive',
    ]);
  });

  test('without a browser, one sentence says what to do where there is no right to install one', async () => {
    as(1000);
    installPackageManager();
    install('sudo', 'exit 1');
    await expect(ensureBrowser()).rejects.toThrow(ABSENT);
    await expect(ensureBrowser({ chromiumOnly: true })).rejects.toThrow('The tests need Chromium (124 or newer)');
    expect(log()).toEqual([]);
  });

  test('and where there is no apt, or it fails', async () => {
    as(0);
    installPackageManager({ aptStatus: 100 });
    await expect(ensureBrowser()).rejects.toThrow(ABSENT);
    expect(log()).toHaveLength(2);
    machine.apt = false;
    await expect(ensureBrowser()).rejects.toThrow(ABSENT);
    expect(log()).toHaveLength(2);
  });
});
