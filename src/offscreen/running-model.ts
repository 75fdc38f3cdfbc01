import type { TextEngine } from '../engine/contract.ts';
import type { ModelSource, WeightProgress } from '../model/source.ts';
import type { AdapterDescription } from '../protocol/generation.ts';

/** A model on the GPU with its engine. */
export interface RunningModel {
  engine: TextEngine;
  adapter: AdapterDescription;
  softwareAdapter: boolean;
  /** What the person should know of how it runs, in a sentence. */
  notice?: string;
  /** Live size of all GPU buffers. */
  gpuBytes(): number;
  /** Resolves with a sentence when the device is gone. */
  lost: Promise<string>;
  destroy(): void;
}

/** Brings a model onto the GPU. Rejects with a LapisError; nothing stays allocated then. */
export type StartModel = (
  source: ModelSource,
  options: { signal: AbortSignal; onProgress: (progress: WeightProgress) => void },
) => Promise<RunningModel>;
