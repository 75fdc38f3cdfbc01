import type { KernelBench } from '../../testing/kernel-bench.ts';

const MATRICES = {
  'q, k, v': /attn_q/,
  'attention output': /attn_output/,
  'gate and up': /ffn_gate/,
  down: /ffn_down/,
};

/** The products of one token and of 8 sequences' tokens, with whatever makes their input; the head apart. */
export const bench: KernelBench = async function* (model) {
  for (const rows of [1, 8]) {
    for (const [name, label] of Object.entries({ ...MATRICES, head: /token_embd| output\.weight/ })) {
      const round = await model.generated(label, rows, 0);
      const { bytes, elements } = model.weightsOf(round);
      yield { name: `${name}, ${rows} generated`, round, bytes, flops: 2 * elements * rows };
    }
  }
};
