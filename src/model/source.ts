import type { Gemma3Config } from './config.ts';
import type { TensorInfo } from './tensor.ts';
import type { TokenizerData } from './tokenizer-data.ts';

/** Whole blocks of one tensor, in their stored form. Valid until the next chunk is asked for. */
export interface WeightChunk {
  tensor: TensorInfo;
  /**
   * Byte offset in the tensor; offset and length are multiples of the type's block size in bytes, and of 4 but for the length of a
   * tensor's last chunk.
   */
  offset: number;
  bytes: Uint8Array<ArrayBuffer>;
}

export interface WeightProgress {
  bytesDone: number;
  bytesTotal: number;
}

/**
 * A model as data, opened but not loaded: what every reader (GGUF file, Hugging Face folder, shard folder, OPFS) yields and
 * what src/gpu loads. Norm weights are already the effective factor (see norm.ts), as F32.
 */
export interface ModelSource {
  readonly id: string;
  readonly schemaVersion: number;
  readonly config: Gemma3Config;
  readonly tokenizer: TokenizerData;
  /** GGUF names, in storage order. Without `output.weight` the head is tied to `token_embd.weight`. */
  readonly tensors: readonly TensorInfo[];
  /** Where each norm's stored weight stood before it became effective: `w` (safetensors) or `1+w` (GGUF). */
  readonly normSource: 'w' | '1+w';
  /**
   * Every tensor's bytes exactly once, each tensor's chunks in order of offset, chunks of at most 64 MiB. A source that
   * verifies hashes throws `corrupt` before it ends if one does not match, so weights count only when this has ended.
   */
  weights(options?: {
    signal?: AbortSignal;
    onProgress?: (progress: WeightProgress) => void;
  }): AsyncIterable<WeightChunk>;
}
