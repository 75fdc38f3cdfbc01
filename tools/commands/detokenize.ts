import { parseArgs } from 'node:util';
import { createTokenizer } from '../../src/model/tokenizer.ts';
import type { CommandContext } from '../command-line.ts';
import { modelArgument, required, tokensFlag } from '../flags.ts';
import { openModel } from '../model-files.ts';

export const usage = `lapis detokenize MODEL --tokens IDS|@FILE
  The text of ids separated by commas, control tokens as written.`;

/** See `usage`. */
export async function run(args: string[], { signal }: CommandContext): Promise<void> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { tokens: { type: 'string' } } });
  const path = modelArgument(positionals);
  required('tokens', values.tokens);
  const { tokenizer } = await openModel(path, signal);
  const ids = await tokensFlag(values.tokens, tokenizer.tokens.length);
  process.stdout.write(`${createTokenizer(tokenizer).decode(ids)}\n`);
}
