import { statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { fullSizeFile, smallFile, writeSyntheticFile } from './synthetic-file.ts';

/*
 * Writes a GGUF with random weights:
 *
 *     npx tsx tools/synthetic-file/write.ts [--model small|gemma-3-1b-q4_k_m|gemma-3-270m-q8_0|gemma-3-4b-q4_k_m] OUT
 *
 * Its size and SHA-256 go to stdout.
 */

const { values, positionals } = parseArgs({
  options: { model: { type: 'string', default: 'gemma-3-1b-q4_k_m' } },
  allowPositionals: true,
});
const [out] = positionals;
if (positionals.length !== 1) {
  process.stderr.write('usage: npx tsx tools/synthetic-file/write.ts [--model NAME] OUT\n');
  process.exit(2);
}
const sha256 = await writeSyntheticFile(values.model === 'small' ? smallFile() : fullSizeFile(values.model), out);
process.stdout.write(`${statSync(out).size} ${sha256}\n`);
