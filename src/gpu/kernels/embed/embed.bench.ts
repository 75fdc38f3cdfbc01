import type { KernelBench } from '../../testing/kernel-bench.ts';

/** The embedding of a token and of a prompt's chunk. */
export const bench: KernelBench = async function* (model) {
  const { chunk, config } = model;
  yield { name: '1 generated', round: await model.generated(/^embed/, 1, 0) };
  const round = await model.prompt(/^embed/, chunk, chunk - 1);
  yield { name: `a chunk of ${chunk}`, round, bytes: chunk * config.hiddenSize * 4 };
};
