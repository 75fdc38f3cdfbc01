import type { SamplingOptions, TokenLogProbabilities } from '../protocol/generation.ts';

/** A place for one sequence: its KV cache, its sampler and its last sampled token live on the GPU. */
export type Slot = number;

/** One sampled token of one slot, read back from the GPU. */
export interface SampledToken {
  slot: Slot;
  token: number;
  /** Set when the slot's sampler asked for log-probabilities. */
  logProbabilities?: TokenLogProbabilities;
}

/**
 * What src/engine needs of a loaded model. One command list serves every token: `steps` may be called again before earlier
 * steps have been read back, since each slot's next token and position live on the GPU.
 */
export interface LoadedModel {
  readonly contextTokens: number;
  readonly slotCount: number;
  /** Takes a free slot, at position 0; undefined when all are taken. */
  openSlot(): Slot | undefined;
  closeSlot(slot: Slot): void;
  /**
   * A new slot with the same tokens and KV (global blocks shared, rings copied); undefined when none is free. Throws `internal`
   * while a step that was asked for has yet to be submitted: what it writes would be missing. Await the last step first.
   */
  cloneSlot(slot: Slot): Slot | undefined;
  /** Tokens of the slot whose KV is valid, counting those of steps in flight. */
  position(slot: Slot): number;
  /** Forgets everything from `position` on. False if the local layers' rings no longer hold the window before it. */
  rewind(slot: Slot, position: number): boolean;
  /** Sets how the slot's next tokens are sampled. `mask`: one bit a vocabulary id, little-endian, 1 = allowed. */
  setSampler(slot: Slot, sampling: SamplingOptions, mask?: Uint32Array): void;
  /**
   * Appends tokens as prompt rows (in chunks of `chunk`, cut by how long the device takes when absent) and samples the token after the
   * last. Rejects with `aborted` between chunks; the slot then stands after the last whole chunk.
   */
  prefill(
    slot: Slot,
    tokens: ArrayLike<number>,
    options?: { chunk?: number; signal?: AbortSignal; onProgress?: (done: number, total: number) => void },
  ): Promise<SampledToken>;
  /**
   * Feeds each slot's last sampled token back and samples the next, for 1 to 8 slots together; `count` times in one submit, 1 to
   * MAX_STEPS_TOGETHER. Gives the tokens of each step, when all have been read back.
   */
  steps(slots: readonly Slot[], count: number): Promise<SampledToken[][]>;
  /** Reads back the logits from which the slot's last token was sampled: f32 [vocabulary]. */
  logits(slot: Slot): Promise<Float32Array>;
  /** Live size of all GPU buffers, bytes. */
  readonly gpuBytes: number;
  /** Resolves when the device is gone, with a sentence; `destroy()` resolves it too. */
  readonly lost: Promise<string>;
  destroy(): void;
}
