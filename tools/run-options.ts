import type { AdapterDescription, FinishReason, GenerateRequest, Timings } from '../src/protocol/generation.ts';
import { numberFlag, required } from './flags.ts';
import { UsageError } from './usage-error.ts';

/** The flags that `lapis run` and `npm start -- --prompt` share, for node:util's parseArgs. */
export const RUN_OPTIONS = {
  prompt: { type: 'string' },
  raw: { type: 'boolean', default: false },
  system: { type: 'string' },
  'max-tokens': { type: 'string' },
  temperature: { type: 'string' },
  'top-k': { type: 'string' },
  'top-p': { type: 'string' },
  'min-p': { type: 'string' },
  seed: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

/** The usage of those flags. */
export const RUN_USAGE = `--prompt TEXT [--raw] [--system TEXT] [--max-tokens N] [--temperature T] [--top-k K] [--top-p P]
          [--min-p P] [--seed S] [--json]`;

/** What `--json` prints. `tokens` include the stop token, `text` does not. */
export interface RunResult {
  text: string;
  promptTokens: number[];
  tokens: number[];
  finishReason: FinishReason;
  timings: Timings;
  adapter: AdapterDescription;
  model: { id: string; schemaVersion: number };
}

/** parseArgs' values as a request. Throws UsageError. */
export function toRequest(values: {
  prompt?: string;
  raw: boolean;
  system?: string;
  'max-tokens'?: string;
  temperature?: string;
  'top-k'?: string;
  'top-p'?: string;
  'min-p'?: string;
  seed?: string;
}): GenerateRequest {
  const text = required('prompt', values.prompt);
  const { raw, system } = values;
  if (raw && system !== undefined) throw new UsageError('--system belongs to the chat format; --raw has none.');
  return {
    prompt: raw
      ? { kind: 'completion', text }
      : {
          kind: 'chat',
          messages: [
            ...(system === undefined ? [] : [{ role: 'system' as const, content: system }]),
            { role: 'user', content: text },
          ],
        },
    maxTokens: numberFlag('max-tokens', values['max-tokens'], { from: 1, whole: true }) ?? 64,
    sampling: {
      temperature: numberFlag('temperature', values.temperature, { from: 0 }) ?? 0,
      topK: numberFlag('top-k', values['top-k'], { from: 0, whole: true }) ?? 0,
      topP: numberFlag('top-p', values['top-p'], { from: 0, to: 1 }) ?? 1,
      minP: numberFlag('min-p', values['min-p'], { from: 0, to: 1 }) ?? 0,
      seed: numberFlag('seed', values.seed, { from: 0, to: 0xffff_ffff, whole: true }) ?? 0,
    },
  };
}
