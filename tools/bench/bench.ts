import { checkRoom, type MeasureOptions, measureModel } from '../../src/gpu/bench/measure.ts';
import type { ModelSource } from '../../src/model/source.ts';
import type { BenchmarkResult } from '../../src/protocol/benchmark.ts';
import { LapisError } from '../../src/protocol/errors.ts';
import { loadModel } from '../load-model.ts';

export type BenchOptions = Pick<MeasureOptions, 'promptTokens' | 'decodeTokens' | 'context' | 'runs' | 'signal'> & {
  /** Sequences decoded together, 1 to 8. */
  sessions: number;
  profile: boolean;
  /** As on an adapter that has none. */
  withoutSubgroups: boolean;
};

/** Node compiles what a token takes during the first two thousand of them, in threads whose time would count as theirs. */
const WARM_UP_MS = 3000;

/**
 * Loads a model on Dawn in Node and measures it. Throws as `loadModel` does, `context-overflow` before it loads, and `unsupported` where
 * kernels cannot be timed.
 */
export async function bench(source: ModelSource, options: BenchOptions): Promise<BenchmarkResult> {
  const { promptTokens, decodeTokens, context, sessions, profile, withoutSubgroups, signal } = options;
  checkRoom(source.config.contextLength, options);
  const contextTokens = context + promptTokens + decodeTokens;
  const loaded = await loadModel(source, {
    contextTokens,
    slotCount: sessions,
    signal,
    timestamps: profile,
    withoutSubgroups,
  });
  const { model, device, loadMs } = loaded;
  try {
    if (profile && !device.features.timestampQuery) {
      throw new LapisError('unsupported', 'This GPU has no timestamp queries, so its kernels cannot be timed.');
    }
    return await measureModel(
      { id: source.id, tensors: source.tensors, model, device, loadMs },
      {
        ...options,
        slots: Array.from({ length: sessions }, () => model.openSlot()!),
        floorBytes: device.software ? 64 * 2 ** 20 : 2 ** 30,
        warmUpMs: WARM_UP_MS,
        cpuMs,
      },
    );
  } finally {
    loaded.close();
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
