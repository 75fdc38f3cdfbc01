import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { drawCurves } from './draw-curves.ts';
import { measureCurves } from './measure-curves.ts';
import { syntheticModel } from './synthetic.ts';

/*
 * Measures how the cost of decoding, prefill and memory grows with length, and draws it:
 *
 *   node build/curves.mjs --out FOLDER [--model gemma-3-1b-q4_k_m] [--lengths 1024,2048,…] [--decode-tokens 64]
 *                                                                    writes FOLDER/curves.json and FOLDER/curves.svg
 *   node build/curves.mjs --out docs --draw docs/curves.json         draws again what was measured
 */

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: '.' },
    model: { type: 'string', default: 'gemma-3-1b-q4_k_m' },
    lengths: { type: 'string', default: '1024,2048,4096,8192,16384,32768' },
    'decode-tokens': { type: 'string', default: '64' },
    draw: { type: 'string' },
  },
});
await mkdir(values.out, { recursive: true });
if (values.draw === undefined) {
  const curves = await measureCurves(syntheticModel(values.model), {
    lengths: values.lengths.split(',').map(Number),
    decodeTokens: Number(values['decode-tokens']),
    runs: 5,
    floorBytes: 2 ** 30,
    note: (line) => process.stderr.write(`${line}\n`),
  });
  await writeFile(join(values.out, 'curves.json'), `${JSON.stringify(curves, undefined, 2)}\n`);
}
const curves = JSON.parse(await readFile(values.draw ?? join(values.out, 'curves.json'), 'utf8'));
await writeFile(join(values.out, 'curves.svg'), drawCurves(curves));
