// @ts-check
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { npm } from './execute.mjs';
import { say } from './say.mjs';

/**
 * Installs the npm packages of the lock file unless they are all there.
 * @param {string} root
 */
export async function ensureDependencies(root) {
  const missing = missingPackage(root);
  if (!missing) return;
  say(`Installing npm packages (${missing}) …`);
  // Not `npm ci`: it refuses a lock file that lacks another platform's optional binaries, as one does that was written against a
  // registry which serves only some. --no-save leaves the lock file as it is. NODE_ENV=production would leave out what builds.
  await npm(['install', '--no-save', '--include=dev', '--no-audit', '--no-fund'], root);
}

/**
 * Why packages must be installed, or undefined. Versions are compared, since file times say nothing after a clone or a copy.
 * @param {string} root
 * @returns {string | undefined}
 */
export function missingPackage(root) {
  const installedLock = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedLock)) return 'none are there';
  const wanted = readPackages(join(root, 'package-lock.json'));
  const installed = readPackages(installedLock);
  for (const [path, { version, optional }] of Object.entries(wanted)) {
    // The first entry is the project itself; optional ones depend on the platform.
    if (path === '' || optional || installed[path]?.version === version) continue;
    return `${path.replace(/^.*node_modules\//, '')} ${version} is not there`;
  }
  return undefined;
}

/**
 * @param {string} file
 * @returns {Record<string, {version: string, optional?: boolean}>}
 */
function readPackages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}
