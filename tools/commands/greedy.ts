import { parseArgs } from 'node:util';
import { LapisError } from '../../src/protocol/errors.ts';
import type { CommandContext } from '../command-line.ts';
import { modelArgument, numberFlag, required, tokensFlag } from '../flags.ts';
import { loadModel } from '../load-model.ts';
import { openModel } from '../model-files.ts';
import { UsageError } from '../usage-error.ts';

export const usage = `lapis greedy MODEL --tokens IDS|@FILE --max-tokens N [--ignore-eos]
  The likeliest continuation of exactly these tokens (no bos added), as ids separated by commas. A stop token ends it and is
  printed last, unless --ignore-eos.`;

/** See `usage`. */
export async function run(args: string[], { signal }: CommandContext): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      tokens: { type: 'string' },
      'max-tokens': { type: 'string' },
      'ignore-eos': { type: 'boolean', default: false },
    },
  });
  const path = modelArgument(positionals);
  required('tokens', values.tokens);
  const maxTokens = numberFlag('max-tokens', required('max-tokens', values['max-tokens']), { from: 1, whole: true })!;
  const source = await openModel(path, signal);
  const { contextLength, vocabularySize } = source.config;
  const tokens = await tokensFlag(values.tokens, vocabularySize);
  if (tokens.length === 0) throw new UsageError('--tokens needs at least one id.');
  // The last token sampled is not fed back.
  const contextTokens = tokens.length + maxTokens - 1;
  if (contextTokens > contextLength) {
    throw new LapisError(
      'context-overflow',
      `${tokens.length} tokens and ${maxTokens} more do not fit the context of ${contextLength}.`,
    );
  }
  const stop = new Set(values['ignore-eos'] ? [] : source.tokenizer.stop);
  const { model, close } = await loadModel(source, { slotCount: 1, contextTokens, signal });
  try {
    const slot = model.openSlot()!;
    const ids = [(await model.prefill(slot, tokens, { signal })).token];
    while (ids.length < maxTokens && !stop.has(ids.at(-1)!)) {
      signal.throwIfAborted();
      const [[{ token }]] = await model.steps([slot], 1);
      ids.push(token);
    }
    process.stdout.write(`${ids.join(',')}\n`);
  } finally {
    close();
  }
}
