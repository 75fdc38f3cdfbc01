import { parseArgs } from 'node:util';
import { createTokenizer } from '../../src/model/tokenizer.ts';
import type { CommandContext } from '../command-line.ts';
import { modelArgument, required } from '../flags.ts';
import { openModel } from '../model-files.ts';

export const usage = `lapis tokenize MODEL --text TEXT [--special]
  Ids of a text, separated by commas, without bos. Control strings are text unless --special.`;

/** See `usage`. */
export async function run(args: string[], { signal }: CommandContext): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { text: { type: 'string' }, special: { type: 'boolean', default: false } },
  });
  const path = modelArgument(positionals);
  const text = required('text', values.text);
  const source = await openModel(path, signal);
  const ids = createTokenizer(source.tokenizer).encode(text, { special: values.special });
  process.stdout.write(`${ids.join(',')}\n`);
}
