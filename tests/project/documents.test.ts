import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { filesBelow, ROOT, readSource } from './sources.ts';

/* What the documents promise must be there. */

const documents = [
  'README.md',
  'ARCHITECTURE.md',
  'PRIVACY.md',
  'SECURITY.md',
  'CHANGELOG.md',
  ...filesBelow('docs', /\.md$/),
];

const { scripts, version, license } = JSON.parse(readSource('package.json')) as {
  scripts: Record<string, string>;
  version: string;
  license: string;
};

describe('the documents', () => {
  test('name only scripts that package.json has', () => {
    const promised = documents.flatMap((file) =>
      [...readSource(file).matchAll(/\bnpm (?:run (?:-s )?([\w:-]+)|(start|test)\b)/g)].map(([, script, short]) => ({
        file,
        script: script ?? short,
      })),
    );
    expect(promised.length).toBeGreaterThan(5);
    expect(promised.filter(({ script }) => !(script in scripts))).toEqual([]);
  });

  test('link only to what is there', () => {
    const broken = documents.flatMap((file) =>
      [...readSource(file).matchAll(/\]\(([^)#\s]+)[^)]*\)|src="([^"]+)"/g)]
        .map(([, link, image]) => link ?? image)
        .filter((link) => !/^[a-z]+:/.test(link) && !existsSync(join(ROOT, dirname(file), link)))
        .map((link) => `${file} links to ${link}`),
    );
    expect(broken).toEqual([]);
  });

  test('name every command of the command line', () => {
    const readme = readSource('README.md');
    const commands = filesBelow('tools/commands', /^\w+\.ts$/).map((file) => file.replace(/.*\/|\.ts$/g, ''));
    expect(commands.length).toBeGreaterThan(0);
    expect(commands.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
  });

  test('agree on version and licence', () => {
    const manifest = JSON.parse(readSource('manifest.json')) as { version: string };
    expect(manifest.version).toBe(version);
    expect(readSource('CHANGELOG.md')).toContain(`## ${version}`);
    expect(license).toBe('Apache-2.0');
    expect(readSource('LICENSE')).toMatch(/Apache License\s+Version 2\.0/);
  });

  test('and the lock file agree on the dependencies', () => {
    const { dependencies, devDependencies } = JSON.parse(readSource('package.json'));
    const lock = JSON.parse(readSource('package-lock.json')).packages[''];
    expect(lock.dependencies).toEqual(dependencies);
    expect(lock.devDependencies).toEqual(devDependencies);
  });

  test('list the rooms and their borders as the rules have them', () => {
    const rules = readSource('tests/project/rooms.test.ts');
    const rows = [...readSource('ARCHITECTURE.md').matchAll(/^\| `src\/(\w+)` \|.*\| ([^|]+) \|$/gm)];
    expect(rows.length).toBe(10);
    for (const [, room, list] of rows) {
      const names = list === 'nothing' ? [] : list.split(', ');
      expect(rules).toContain(`${room}: [${names.map((name) => `'${name}'`).join(', ')}],`);
    }
  });
});
