import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isStale } from './build.mjs';
import { missingPackage } from './dependencies.mjs';
import { checkNode } from './node-version.mjs';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lapis-setup-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const write = (file: string, text: string) => {
  mkdirSync(join(root, file, '..'), { recursive: true });
  writeFileSync(join(root, file), text);
};

test('an old Node is refused in a sentence', () => {
  for (const version of ['20.19.0', '20.20.2', '22.0.0']) expect(() => checkNode(version)).not.toThrow();
  expect(() => checkNode('20.18.1')).toThrow('Lapis needs Node 20.19 or newer; this is 20.18.1.');
  expect(() => checkNode('18.20.0')).toThrow('this is 18.20.0');
});

describe('packages are installed again', () => {
  const lock = (packages: object) => JSON.stringify({ packages: { '': {}, ...packages } });

  test('when there are none', () => {
    write('package-lock.json', lock({}));
    expect(missingPackage(root)).toBe('none are there');
  });

  test('when one is missing or of another version, but not for another platform', () => {
    write(
      'package-lock.json',
      lock({ 'node_modules/@a/b': { version: '2.0.0' }, 'node_modules/win': { optional: true } }),
    );
    write('node_modules/.package-lock.json', lock({ 'node_modules/@a/b': { version: '1.0.0' } }));
    expect(missingPackage(root)).toBe('@a/b 2.0.0 is not there');
    write('node_modules/.package-lock.json', lock({ 'node_modules/@a/b': { version: '2.0.0' } }));
    expect(missingPackage(root)).toBeUndefined();
  });
});

describe('the extension is built again', () => {
  const date = (path: string, seconds: number) => utimesSync(join(root, path), seconds, seconds);

  test('when a source is newer, or one was removed', () => {
    write('src/a/b.ts', '');
    expect(isStale(root)).toBe(true);
    write('dist/manifest.json', '{}');
    for (const path of ['src/a/b.ts', 'src/a', 'src']) date(path, 1000);
    date('dist/manifest.json', 2000);
    expect(isStale(root)).toBe(false);
    date('src/a/b.ts', 3000);
    expect(isStale(root)).toBe(true);
    date('src/a/b.ts', 1000);
    date('src/a', 3000);
    expect(isStale(root)).toBe(true);
  });
});
