import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { LapisError } from '../../src/protocol/errors.ts';
import type { Command } from '../command-line.ts';
import { numberFlag } from '../flags.ts';
import { runProgram } from '../process.ts';
import { UsageError } from '../usage-error.ts';
import { drawCurves } from './draw-curves.ts';
import { measureCurves } from './measure-curves.ts';
import { syntheticModel } from './synthetic.ts';

const command: Command = {
  usage: `node curves.mjs [--out FOLDER] [--model gemma-3-1b-q4_k_m] [--lengths 1024,2048,…] [--decode-tokens 64]
       node curves.mjs [--out FOLDER] --draw FILE.json
  How the cost of decoding, prefill and memory grows with length, in FOLDER/curves.json and FOLDER/curves.svg. --draw draws
  again what was measured.`,

  async run(args, { signal }) {
    const { values } = parseArgs({
      args,
      options: {
        out: { type: 'string', default: '.' },
        model: { type: 'string', default: 'gemma-3-1b-q4_k_m' },
        lengths: { type: 'string', default: '1024,2048,4096,8192,16384,32768' },
        'decode-tokens': { type: 'string', default: '64' },
        draw: { type: 'string' },
      },
    });
    if (values.draw === undefined) {
      const source = syntheticModel(values.model);
      const { contextLength } = source.config;
      const decodeTokens = numberFlag('decode-tokens', values['decode-tokens'], {
        from: 1,
        to: contextLength - 1,
        whole: true,
      })!;
      const range = { from: decodeTokens + 1, to: contextLength, whole: true };
      const lengths = values.lengths.split(',').map((length) => numberFlag('lengths', length, range)!);
      if (lengths.some((length, index) => length <= (lengths[index - 1] ?? 0))) {
        throw new UsageError('--lengths are ascending.');
      }
      await mkdir(values.out, { recursive: true });
      const curves = await measureCurves(source, {
        lengths,
        decodeTokens,
        runs: 5,
        floorBytes: 2 ** 30,
        signal,
        note: (line) => process.stderr.write(`${line}\n`),
      });
      await writeFile(join(values.out, 'curves.json'), `${JSON.stringify(curves, undefined, 2)}\n`);
    }
    const svg = await draw(values.draw ?? join(values.out, 'curves.json'));
    await mkdir(values.out, { recursive: true });
    await writeFile(join(values.out, 'curves.svg'), svg);
  },
};

async function draw(file: string): Promise<string> {
  const text = await readFile(file, 'utf8');
  try {
    return drawCurves(JSON.parse(text));
  } catch (cause) {
    throw new LapisError('bad-request', `${file} holds no curves.`, { cause });
  }
}

await runProgram('curves', command);
