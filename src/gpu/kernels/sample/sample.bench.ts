import type { SamplingOptions } from '../../../protocol/generation.ts';
import type { KernelBench } from '../../testing/kernel-bench.ts';
import { SamplerHarness } from './harness.ts';
import { samplerMode } from './options.ts';

const MODES: Record<string, SamplingOptions> = {
  greedy: {},
  'temperature, top-k, top-p': { temperature: 1, topK: 64, topP: 0.95 },
  'greedy with penalties': { repetitionPenalty: 1.1 },
};

/** All dispatches from a row's logits to its token. */
export const bench: KernelBench = async function* ({ device, config }) {
  const { vocabularySize } = config;
  // Spread over some units, as a model's are; few are near the best.
  const logits = Float32Array.from({ length: vocabularySize }, (_, id) => 4 * Math.sin(id) + 3 * Math.sin(0.61 * id));
  for (const [name, sampling] of Object.entries(MODES)) {
    const harness = await SamplerHarness.make(device, { vocabularySize, contextTokens: 64, maxRows: 1 });
    harness.write([{ logits, sampling, position: 1, history: [2, 3] }]);
    const mode = samplerMode([{ sampling, useMask: false }]);
    await harness.sampler.ready(mode);
    const round = harness.sampler.dispatches(mode);
    yield { name: `${name}, 1 row, all of it`, round, times: 1, bytes: vocabularySize * 4 };
    harness.destroy();
  }
};
