import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';

/** The project's root folder. */
export const ROOT = resolve(import.meta.dirname, '../..');

/** One import of a file, as written. */
export interface Import {
  specifier: string;
  /** Only types: it leaves nothing at run time. */
  typeOnly: boolean;
}

/** Paths below `folder` (itself relative to the root), relative to the root, with forward slashes. */
export function filesBelow(folder: string, pattern: RegExp): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}

export function readSource(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

/** Tests and what only they use may import anything. */
export function isTest(file: string): boolean {
  return /\.(test|bench)\.tsx?$|\/testing\//.test(file);
}

/** The text without comments and, if asked, without what strings hold. Good enough for rules, not a parser. */
export function withoutComments(text: string, { strings = false } = {}): string {
  const bare = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`])\/\/.*$/gm, '$1');
  return strings ? bare.replace(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g, "''") : bare;
}

/** Static and dynamic imports, re-exports and `new URL('…', import.meta.url)` of a TypeScript text. */
export function importsOf(text: string): Import[] {
  const code = withoutComments(text);
  const found: Import[] = [];
  for (const [, keyword, clause, specifier] of code.matchAll(
    /\b(import|export)\s+(?:([\w*\s{},$]*?)\s*from\s*)?['"]([^'"\n]+)['"]/g,
  )) {
    if (keyword === 'export' && clause === undefined) continue;
    const names = clause?.trim() ?? '';
    const listed = /^\{(.*)\}$/s
      .exec(names)?.[1]
      .split(',')
      .map((name) => name.trim());
    const typeOnly =
      /^type\b/.test(names) || listed?.filter(Boolean).every((name) => name.startsWith('type ')) === true;
    found.push({ specifier, typeOnly });
  }
  for (const [, specifier] of code.matchAll(/\bimport\(\s*['"]([^'"\n]+)['"]/g))
    found.push({ specifier, typeOnly: false });
  for (const [, specifier] of code.matchAll(/\bnew URL\(\s*['"](\.[^'"\n]+)['"],\s*import\.meta\.url/g)) {
    found.push({ specifier, typeOnly: false });
  }
  return found;
}

/** The file that a relative import names, relative to the root, without a query; undefined for packages. */
export function targetOf(file: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  return relative(ROOT, resolve(ROOT, dirname(file), specifier.replace(/\?.*$/, '')))
    .split(sep)
    .join('/');
}
