import type { KernelBench } from '../../testing/kernel-bench.ts';

/** Norms, rotation and cache of a prompt's queries, keys and values; one generated token's are attention's own. */
export const bench: KernelBench = async function* (model) {
  const { chunk, config } = model;
  const round = await model.prompt(/^rope/, chunk, chunk - 1);
  const width = (config.headCount + 2 * config.kvHeadCount) * config.headDim;
  yield { name: `a chunk of ${chunk}`, round, bytes: round.length * chunk * width * 4 };
};
