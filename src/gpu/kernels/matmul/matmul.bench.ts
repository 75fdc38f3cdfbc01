import type { KernelBench } from '../../testing/kernel-bench.ts';

const MATRICES = {
  'q, k, v': /attn_q/,
  'attention output': /attn_output/,
  'gate and up': /ffn_gate/,
  down: /ffn_down/,
};

/** The products of a prompt's chunk. */
export const bench: KernelBench = async function* (model) {
  const { chunk } = model;
  for (const [name, label] of Object.entries(MATRICES)) {
    const round = await model.prompt(label, chunk, chunk - 1);
    const { bytes, elements } = model.weightsOf(round);
    yield { name: `${name}, ${chunk} rows`, round, bytes, flops: 2 * elements * chunk };
  }
};
