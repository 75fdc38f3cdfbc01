// @ts-check
import { copyFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

/*
 * Makes build/lapis.mjs, the whole command line in one file, and beside it the measurements of curves and of kernels, each in one
 * file too, and Dawn's library: the folder runs anywhere with Node. An argument names another folder than build/.
 */

const root = fileURLToPath(new URL('..', import.meta.url));
const out = resolve(process.argv[2] ?? join(root, 'build'));
const programs = { lapis: 'tools/lapis.ts', curves: 'tools/bench/curves.ts', kernels: 'tools/bench/kernels.ts' };

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
const library = join(out, 'dawn.node');
// A program that is running has the old one mapped: it keeps that, and must not see it change.
await rm(library, { force: true });
await copyFile(join(webgpu, 'dist', platform, 'dawn.node'), library);
process.stderr.write(`Built lapis.mjs, curves.mjs, kernels.mjs and dawn.node in ${out}.\n`);
