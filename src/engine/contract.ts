import type { LoadedModel, Slot } from '../gpu/contract.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import type { GenerateEvent, GenerateRequest } from '../protocol/generation.ts';

/**
 * Which tokens may come next after the generated ones: one bit a vocabulary id, little-endian, 1 = allowed. Asked before every
 * token, so a generation with a mask waits for each of its tokens to be read back.
 */
export type TokenMask = (generated: readonly number[]) => Uint32Array;

export interface GenerateOptions {
  signal?: AbortSignal;
  mask?: TokenMask;
}

/** One path from text to text, for the engine worker and the command line. */
export interface TextEngine {
  readonly model: LoadedModel;
  readonly tokenizer: Tokenizer;
  /**
   * Queued at once, streamed, always ends with one `end` or `error` event. Aborting `signal`, or leaving the iteration, ends it
   * with finishReason `abort` and the text so far. A prompt that begins with what a free slot already holds reuses that KV cache.
   * The events are for one reader.
   */
  generate(request: GenerateRequest, options?: GenerateOptions): AsyncIterable<GenerateEvent>;
  /**
   * Lends an empty slot to someone who calls the model themselves, and has nothing in flight when they are done; it is emptied
   * again. Rejects with `busy` while anything is being generated.
   */
  withSlot<T>(use: (slot: Slot) => Promise<T>): Promise<T>;
}
