import type { ErrorPayload } from './errors.ts';

/** One turn of a chat. A system message stands first, if at all. */
export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** How the next token is chosen. The defaults are greedy decoding. */
export interface SamplingOptions {
  /** 0 is greedy. */
  temperature?: number;
  /** Keep the k likeliest tokens; 0 is off. */
  topK?: number;
  /** Keep the smallest set of likeliest tokens whose probabilities add up to p; 1 is off. */
  topP?: number;
  /** Keep tokens at least this share as likely as the likeliest; 0 is off. */
  minP?: number;
  /** Divides (positive) or multiplies (negative) the logits of tokens in the history; 1 is off. */
  repetitionPenalty?: number;
  /** Subtracted once from the logit of every token in the history. */
  presencePenalty?: number;
  /** Subtracted from a token's logit once for every time it is in the history. */
  frequencyPenalty?: number;
  /** How many of the last tokens the penalties look at; 0 is all that is kept. */
  penaltyWindow?: number;
  /** u32. The same seed, prompt and model give the same text. */
  seed?: number;
  /** How many of the likeliest tokens to report with their log-probabilities (0 to 20). */
  logProbabilities?: number;
}

export type Prompt =
  /** Plain completion: bos, then the text. */
  | { kind: 'completion'; text: string }
  /** Chat: Gemma's turn format. A trailing assistant message is continued. */
  | { kind: 'chat'; messages: ChatMessage[] };

export interface GenerateRequest {
  prompt: Prompt;
  sampling?: SamplingOptions;
  /** At most this many tokens; default 64 on the command line, 1024 in the extension. */
  maxTokens?: number;
  /** Text that ends the answer and is not part of it. */
  stop?: string[];
}

export type FinishReason = 'stop' | 'length' | 'abort';

export interface Timings {
  loadMs: number;
  prefillMs: number;
  firstTokenMs: number;
  decodeTokensPerSecond: number;
}

export interface AdapterDescription {
  vendor: string;
  architecture: string;
  description: string;
}

export interface TokenLogProbabilities {
  token: number;
  logProbability: number;
  top: { token: number; logProbability: number }[];
}

/** What a generation says, in order: `start`, any number of `text`, then exactly one `end` or `error`. */
export type GenerateEvent =
  | { type: 'start'; promptTokens: number[] }
  /** Progress of a long prefill: prompt tokens done. */
  | { type: 'prefill'; done: number; total: number }
  /** New text (whole UTF-8 characters, stop text held back) and the tokens read since the last event. */
  | { type: 'text'; text: string; tokens: number[]; logProbabilities?: TokenLogProbabilities[] }
  | { type: 'end'; finishReason: FinishReason; tokens: number[]; text: string; timings: Timings }
  | { type: 'error'; error: ErrorPayload };
