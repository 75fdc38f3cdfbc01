// @ts-check
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { execute } from './execute.mjs';
import { SetupError, say } from './say.mjs';

/** What the built extension depends on. */
const INPUTS = ['src', 'extension', 'manifest.json', 'vite.config.ts', 'tsconfig.json', 'package-lock.json'];

/**
 * Builds dist/ unless it is newer than all it is made of.
 * @param {string} root
 * @returns {Promise<string>} dist's path
 */
export async function ensureBuilt(root) {
  const dist = join(root, 'dist');
  if (!isStale(root)) return dist;
  say('Building the extension …');
  // A test runner's NODE_ENV would end up in the bundle.
  const status = await execute(
    process.execPath,
    [join(root, 'node_modules/vite/bin/vite.js'), 'build', '--logLevel', 'warn'],
    {
      cwd: root,
      env: { NODE_ENV: 'production' },
      output: 'on failure',
    },
  );
  if (status !== 0) throw new SetupError('The extension could not be built: see above.');
  return dist;
}

/** @param {string} root */
export function isStale(root) {
  const manifest = join(root, 'dist/manifest.json');
  if (!existsSync(manifest)) return true;
  const built = statSync(manifest).mtimeMs;
  return INPUTS.some((input) => newest(join(root, input)) > built);
}

/**
 * The latest change below a path; a folder's own time tells of files that were removed.
 * @param {string} path
 * @returns {number}
 */
function newest(path) {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats) return 0;
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}
