// @ts-check
import { copyFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

/*
 * Makes build/lapis.mjs, the whole command line in one file, and beside it the measurements of curves and of kernels, each in one
 * file too, and Dawn's library: the folder runs anywhere with Node.
 */

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'build');
const programs = { lapis: 'tools/lapis.ts', curves: 'tools/bench/curves.ts', kernels: 'tools/bench/kernels.ts' };

await rm(out, { recursive: true, force: true });
for (const [name, entry] of Object.entries(programs)) {
  await build({
    root,
    configFile: false,
    logLevel: 'warn',
    publicDir: false,
    ssr: { noExternal: true },
    build: {
      ssr: entry,
      outDir: out,
      emptyOutDir: false,
      target: 'node20',
      rolldownOptions: { output: { entryFileNames: `${name}.mjs`, codeSplitting: false } },
    },
  });
}

const platform = process.platform === 'darwin' ? 'darwin-universal' : `${process.platform}-${process.arch}`;
const webgpu = dirname(createRequire(import.meta.url).resolve('webgpu'));
await copyFile(join(webgpu, 'dist', platform, 'dawn.node'), join(out, 'dawn.node'));
process.stderr.write('Built build/lapis.mjs, build/curves.mjs, build/kernels.mjs and build/dawn.node.\n');
