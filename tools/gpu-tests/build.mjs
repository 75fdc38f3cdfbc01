// @ts-check
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

/*
 * Makes tests/goldens/gpu-tests.mjs: every test that computes on the GPU in one file, for a host that has a GPU but no registry.
 * There: `node tests/goldens/gpu-tests.mjs`, with dawn.node beside it. It stands with the goldens because the tests find them so.
 */

const root = fileURLToPath(new URL('../..', import.meta.url));
const runner = `${root}tools/gpu-tests/runner.ts`;
const tests = [];
for (const folder of ['src/gpu', 'tests/goldens', 'tests/gpu']) {
  const files = await readdir(join(root, folder), { recursive: true });
  tests.push(...files.filter((file) => file.endsWith('.test.ts')).map((file) => join(root, folder, file)));
}
const entry = `${root}build/gpu-tests.entry.mjs`;

await mkdir(`${root}build`, { recursive: true });
const imports = tests.map((file) => `import ${JSON.stringify(file)};\n`);
await writeFile(entry, `${imports.join('')}import { runAll } from ${JSON.stringify(runner)};\nawait runAll();\n`);

await build({
  root,
  configFile: false,
  logLevel: 'warn',
  publicDir: false,
  resolve: { alias: { vitest: runner } },
  ssr: { noExternal: true },
  build: {
    ssr: entry,
    outDir: `${root}build`,
    emptyOutDir: false,
    target: 'node20',
    rolldownOptions: { output: { entryFileNames: 'gpu-tests.mjs', codeSplitting: false } },
  },
});
await copyFile(`${root}build/gpu-tests.mjs`, `${root}tests/goldens/gpu-tests.mjs`);
