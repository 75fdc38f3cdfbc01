import { chatIds, completionIds } from '../model/chat.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import { LapisError } from '../protocol/errors.ts';
import type { GenerateRequest, SamplingOptions } from '../protocol/generation.ts';

const DEFAULT_MAX_TOKENS = 1024;

/** A request as the scheduler takes it. */
export interface PreparedRequest {
  /** At least one, and at least one fewer than the context holds. */
  prompt: number[];
  sampling: SamplingOptions;
  maxTokens: number;
  stop: readonly string[];
}

const RANGES: Record<keyof SamplingOptions, { from: number; to: number; whole?: boolean }> = {
  temperature: { from: 0, to: Number.MAX_VALUE },
  topK: { from: 0, to: Number.MAX_SAFE_INTEGER, whole: true },
  topP: { from: 0, to: 1 },
  minP: { from: 0, to: 1 },
  // Logits are divided by it.
  repetitionPenalty: { from: Number.MIN_VALUE, to: Number.MAX_VALUE },
  presencePenalty: { from: -Number.MAX_VALUE, to: Number.MAX_VALUE },
  frequencyPenalty: { from: -Number.MAX_VALUE, to: Number.MAX_VALUE },
  penaltyWindow: { from: 0, to: Number.MAX_SAFE_INTEGER, whole: true },
  seed: { from: 0, to: 0xffff_ffff, whole: true },
  logProbabilities: { from: 0, to: 20, whole: true },
};

/**
 * Checks a request and turns its prompt into ids. An answer may be as long as the context has room for: a `maxTokens` beyond that
 * ends with `length` there. Throws `bad-request`, `unsupported` (chat without turns in the vocabulary) or `context-overflow`.
 */
export function prepareRequest(
  request: GenerateRequest,
  { tokenizer, contextTokens }: { tokenizer: Tokenizer; contextTokens: number },
): PreparedRequest {
  const { sampling = {}, maxTokens = DEFAULT_MAX_TOKENS, stop = [] } = request;
  checkSampling(sampling);
  if (!Number.isInteger(maxTokens) || maxTokens < 1) {
    throw new LapisError('bad-request', `maxTokens must be a whole number of at least 1, not ${maxTokens}.`);
  }
  if (stop.includes('')) throw new LapisError('bad-request', 'A stop string must not be empty.');
  const prompt =
    request.prompt.kind === 'chat'
      ? chatIds(tokenizer, request.prompt.messages)
      : completionIds(tokenizer, request.prompt.text);
  const room = contextTokens - prompt.length;
  if (room < 1) {
    throw new LapisError(
      'context-overflow',
      `The prompt has ${prompt.length} tokens, but the context holds ${contextTokens} with the answer.`,
    );
  }
  return { prompt, sampling, maxTokens: Math.min(maxTokens, room), stop };
}

function checkSampling(sampling: SamplingOptions): void {
  for (const [name, { from, to, whole }] of Object.entries(RANGES)) {
    const value = sampling[name as keyof SamplingOptions];
    if (value === undefined) continue;
    if (!(value >= from && value <= to) || (whole && !Number.isInteger(value))) {
      throw new LapisError('bad-request', `${name} is out of range: ${value}.`);
    }
  }
}
