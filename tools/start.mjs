// @ts-check
import { fileURLToPath } from 'node:url';
import { ensureDependencies } from './setup/dependencies.mjs';
import { checkNode } from './setup/node-version.mjs';
import { SetupError, say } from './setup/say.mjs';

/*
 * `npm start` opens a browser with Lapis in it; `npm start -s -- --prompt TEXT` answers on stdout without a window. Plain
 * JavaScript on Node alone, since nothing is installed yet when it begins.
 */

const root = fileURLToPath(new URL('..', import.meta.url));

async function main() {
  checkNode();
  await ensureDependencies(root);
  // From here on TypeScript can run.
  const { register } = await import('tsx/esm/api');
  register();
  await import('./start/main.ts');
}

try {
  await main();
} catch (error) {
  if (error instanceof SetupError) {
    say(error.message);
    process.exit(1);
  }
  throw error;
}
