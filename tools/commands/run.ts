import { parseArgs } from 'node:util';
import { createEngine } from '../../src/engine/engine.ts';
import { prepareRequest } from '../../src/engine/request.ts';
import { createTokenizer } from '../../src/model/tokenizer.ts';
import { LapisError } from '../../src/protocol/errors.ts';
import type { GenerateEvent, GenerateRequest } from '../../src/protocol/generation.ts';
import type { CommandContext } from '../command-line.ts';
import { modelArgument } from '../flags.ts';
import { loadModel } from '../load-model.ts';
import { openModel } from '../model-files.ts';
import { RUN_OPTIONS, RUN_USAGE, type RunResult, toRequest } from '../run-options.ts';

export const usage = `lapis run MODEL ${RUN_USAGE}
  The answer as it streams. In the chat format, or with --raw as plain completion. Defaults: 64 tokens, temperature 0,
  top-k 0 (off), top-p 1, min-p 0, seed 0.`;

function parse(args: string[]): { path: string; json: boolean; request: GenerateRequest } {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: RUN_OPTIONS });
  return { path: modelArgument(positionals), json: values.json, request: toRequest(values) };
}

/** See `usage`. */
export async function run(args: string[], { signal }: CommandContext): Promise<void> {
  const { path, json, request } = parse(args);
  const source = await openModel(path, signal);
  const tokenizer = createTokenizer(source.tokenizer);
  // Before the load: what cannot be answered is refused at once, and the cache is made no larger than needed.
  const { prompt, maxTokens } = prepareRequest(request, { tokenizer, contextTokens: source.config.contextLength });
  const loaded = await loadModel(source, { slotCount: 1, contextTokens: prompt.length + maxTokens, signal });
  try {
    const { model, adapter, loadMs } = loaded;
    const engine = createEngine({ model, tokenizer, loadMs });
    const end = await stream(
      engine.generate(request, { signal }),
      json ? () => {} : (text) => process.stdout.write(text),
    );
    if (!json) {
      process.stdout.write('\n');
      return;
    }
    const { text, tokens, finishReason, timings } = end;
    const { id, schemaVersion } = source;
    const result: RunResult = {
      text,
      promptTokens: prompt,
      tokens,
      finishReason,
      timings,
      adapter,
      model: { id, schemaVersion },
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  } finally {
    loaded.close();
  }
}

async function stream(
  events: AsyncIterable<GenerateEvent>,
  say: (text: string) => void,
): Promise<Extract<GenerateEvent, { type: 'end' }>> {
  for await (const event of events) {
    if (event.type === 'text') say(event.text);
    else if (event.type === 'error') throw LapisError.fromPayload(event.error);
    else if (event.type === 'end') return event;
  }
  throw new LapisError('internal', 'The answer ended without an end.');
}
