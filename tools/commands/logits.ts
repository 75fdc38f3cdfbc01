import { open } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { LapisError } from '../../src/protocol/errors.ts';
import type { CommandContext } from '../command-line.ts';
import { modelArgument, required, tokensFlag } from '../flags.ts';
import { loadModel } from '../load-model.ts';
import { openModel } from '../model-files.ts';
import { checkWritable } from '../output-file.ts';
import { UsageError } from '../usage-error.ts';

export const usage = `lapis logits MODEL --tokens IDS|@FILE [--at last|all] --out FILE
  The logits after exactly these tokens (no bos added): little-endian f32, row-major, [1 or tokens, vocabulary]. Default: last.`;

/** See `usage`. */
export async function run(args: string[], { signal }: CommandContext): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { tokens: { type: 'string' }, at: { type: 'string', default: 'last' }, out: { type: 'string' } },
  });
  const path = modelArgument(positionals);
  const out = required('out', values.out);
  required('tokens', values.tokens);
  const { at } = values;
  if (at !== 'last' && at !== 'all') throw new UsageError(`--at takes last or all, not "${at}".`);
  await checkWritable(out);
  const source = await openModel(path, signal);
  const { contextLength, vocabularySize } = source.config;
  const tokens = await tokensFlag(values.tokens, vocabularySize);
  if (tokens.length === 0) throw new UsageError('--tokens needs at least one id.');
  if (tokens.length > contextLength) {
    throw new LapisError('context-overflow', `${tokens.length} tokens do not fit the context of ${contextLength}.`);
  }
  const { model, close } = await loadModel(source, { slotCount: 1, contextTokens: tokens.length, signal });
  try {
    const slot = model.openSlot()!;
    const file = await open(out, 'w');
    try {
      // A prompt row's bits do not depend on how the prompt was cut, so all logits come from prefills of one token.
      for (const prompt of at === 'last' ? [tokens] : tokens.map((token) => [token])) {
        await model.prefill(slot, prompt, { signal });
        const logits = await model.logits(slot);
        await file.write(new Uint8Array(logits.buffer, logits.byteOffset, logits.byteLength));
      }
    } finally {
      await file.close();
    }
  } finally {
    close();
  }
}
