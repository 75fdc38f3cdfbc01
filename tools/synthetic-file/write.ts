import { stat } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Command } from '../command-line.ts';
import { checkWritable } from '../output-file.ts';
import { runProgram } from '../process.ts';
import { UsageError } from '../usage-error.ts';
import { fullSizeFile, smallFile, writeSyntheticFile } from './synthetic-file.ts';

const writer: Command = {
  usage: `node synthetic-file.mjs [--model small|gemma-3-1b-q4_k_m|gemma-3-270m-q8_0|gemma-3-4b-q4_k_m] OUT
  A GGUF with random weights in a real file's shapes and types; gemma-3-1b-q4_k_m by default. Prints its size and SHA-256.`,

  async run(args, { signal }) {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { model: { type: 'string', default: 'gemma-3-1b-q4_k_m' } },
    });
    if (positionals.length !== 1) throw new UsageError('synthetic-file takes one OUT.');
    const [out] = positionals;
    const file = values.model === 'small' ? smallFile() : fullSizeFile(values.model);
    await checkWritable(out);
    const sha256 = await writeSyntheticFile(file, out, signal);
    process.stdout.write(`${(await stat(out)).size} ${sha256}\n`);
  },
};

await runProgram('synthetic-file', writer);
