import type { KernelBench } from '../../testing/kernel-bench.ts';

/** The norms that no matrix product does for itself, with the branch that they add. */
export const bench: KernelBench = async function* (model) {
  const { chunk, config } = model;
  // The residual stream and the branch are read, at the least.
  const rowBytes = config.hiddenSize * 4 * 2;
  const generated = await model.generated(/norm$/, 8, 0);
  yield { name: '8 generated', round: generated, bytes: generated.length * 8 * rowBytes };
  const prompt = await model.prompt(/norm$/, chunk, chunk - 1);
  yield { name: `a chunk of ${chunk}`, round: prompt, bytes: prompt.length * chunk * rowBytes };
};
