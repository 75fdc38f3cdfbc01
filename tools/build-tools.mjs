// @ts-check
import { copyFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

/*
 * Makes build/lapis.mjs, the whole command line in one file, and beside it the measurements of curves, of kernels and in a browser and the
 * writer of random models, each in one file too, with what they read and Dawn's library: the folder runs anywhere with Node. An argument
 * names another folder than build/.
 */

const root = fileURLToPath(new URL('..', import.meta.url));
const out = resolve(process.argv[2] ?? join(root, 'build'));
const programs = {
  lapis: 'tools/lapis.ts',
  curves: 'tools/bench/curves.ts',
  kernels: 'tools/bench/kernels.ts',
  'in-browser': 'tools/bench/in-browser.ts',
  'synthetic-file': 'tools/synthetic-file/write.ts',
};

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

// What in-browser.mjs lets a page run.
await build({
  root,
  configFile: false,
  logLevel: 'warn',
  publicDir: false,
  build: {
    outDir: out,
    emptyOutDir: false,
    lib: { entry: join(root, 'tools/bench/plain-steps.ts'), formats: ['es'], fileName: () => 'plain-steps.js' },
  },
});

// What synthetic-file.mjs names its tokens after.
for (const name of ['vocabulary.br', 'expected.jsonl'])
  await copyFile(join(root, 'tests/tokenizer', name), join(out, name));

const platform = process.platform === 'darwin' ? 'darwin-universal' : `${process.platform}-${process.arch}`;
const webgpu = dirname(createRequire(import.meta.url).resolve('webgpu'));
const library = join(out, 'dawn.node');
// A program that is running has the old one mapped: it keeps that, and must not see it change.
await rm(library, { force: true });
await copyFile(join(webgpu, 'dist', platform, 'dawn.node'), library);
process.stderr.write(`Built ${Object.keys(programs).join('.mjs, ')}.mjs and dawn.node in ${out}.\n`);
