// @ts-check
import { copyFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

/* Makes build/lapis.mjs, the whole command line in one file, and puts Dawn's library beside it: the folder runs anywhere with Node. */

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'build');

await build({
  root,
  configFile: false,
  logLevel: 'warn',
  publicDir: false,
  ssr: { noExternal: true },
  build: {
    ssr: 'tools/lapis.ts',
    outDir: out,
    target: 'node20',
    rolldownOptions: { output: { entryFileNames: 'lapis.mjs', codeSplitting: false } },
  },
});

const platform = process.platform === 'darwin' ? 'darwin-universal' : `${process.platform}-${process.arch}`;
const webgpu = dirname(createRequire(import.meta.url).resolve('webgpu'));
await copyFile(join(webgpu, 'dist', platform, 'dawn.node'), join(out, 'dawn.node'));
process.stderr.write('Built build/lapis.mjs and build/dawn.node.\n');
