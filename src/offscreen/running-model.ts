import type { TextEngine } from '../engine/contract.ts';
import type { ModelSource, WeightProgress } from '../model/source.ts';
import type { BenchmarkResult } from '../protocol/benchmark.ts';
import type { AdapterDescription } from '../protocol/generation.ts';

/** A model on the GPU with its engine. */
export interface RunningModel {
  engine: TextEngine;
  adapter: AdapterDescription;
  softwareAdapter: boolean;
  /** WebGPU features in use. */
  features: string[];
  /** What the person should know of how it runs, in a sentence. */
  notice?: string;
  /** Live size of all GPU buffers. */
  gpuBytes(): number;
  /** Resolves with a sentence when the device is gone. */
  lost: Promise<string>;
  /**
   * Measures it, in tokens done of all. Rejects with `busy` while it generates, and with the signal's reason; nothing is in flight
   * then.
   */
  benchmark(options: {
    signal: AbortSignal;
    onProgress: (done: number, total: number) => void;
  }): Promise<BenchmarkResult>;
  /**
   * Gives its memory back, once the GPU has done what it was given: one that is destroyed before keeps the process that owns it waiting,
   * and with that whoever else wants a GPU.
   */
  destroy(): Promise<void>;
}

/** Brings a model onto the GPU. Rejects with a LapisError; nothing stays allocated then. */
export type StartModel = (
  source: ModelSource,
  options: { signal: AbortSignal; onProgress: (progress: WeightProgress) => void },
) => Promise<RunningModel>;
