import { expect, test } from 'vitest';
import type { ModelSource } from '../model/source.ts';
import type { TensorInfo } from '../model/tensor.ts';
import type { GpuDevice } from './device.ts';
import { Gemma3WeightMap } from './gemma3-weights.ts';
import { smallModel } from './testing/small-model.ts';

/** Bytes that are asked for by a map of the small model with other tensors. */
function allocated(change: (tensors: readonly TensorInfo[]) => TensorInfo[], maxBindingBytes = 2 ** 27) {
  const buffers: number[] = [];
  const device = {
    maxBindingBytes,
    createBuffer: (_label: string, size: number) => {
      buffers.push(size);
      return { size };
    },
  };
  const source: ModelSource = { ...smallModel(), tensors: change(smallModel().tensors) };
  return { buffers, map: () => new Gemma3WeightMap(device as unknown as GpuDevice, source) };
}

test.each(['blk.1.ffn_down.weight', 'blk.0.attn_q_norm.weight', 'output_norm.weight'])(
  'a missing or misshapen %s is corrupt, by its name, before anything is allocated',
  (name) => {
    const missing = allocated((tensors) => tensors.filter((tensor) => tensor.name !== name));
    expect(missing.map).toThrow(name);
    const misshapen = allocated((tensors) =>
      tensors.map((tensor) => (tensor.name === name ? { ...tensor, shape: [3, ...tensor.shape.slice(1)] } : tensor)),
    );
    expect(misshapen.map).toThrow(expect.objectContaining({ code: 'corrupt' }));
    expect(misshapen.map).toThrow(name);
    expect([...missing.buffers, ...misshapen.buffers]).toEqual([]);
  },
);

test("a layer's weights stand in one buffer, or each in its own where that is too large to bind", () => {
  const together = allocated((tensors) => [...tensors]);
  expect(together.map().weights.layers.every(({ buffer }) => buffer !== undefined)).toBe(true);
  // The embedding, two layers, the output norm.
  expect(together.buffers).toHaveLength(4);
  const apart = allocated((tensors) => [...tensors], 48_000);
  expect(apart.map().weights.layers.every(({ buffer }) => buffer === undefined)).toBe(true);
  // Of a layer the norms, q with k and v, the output, gate with up, down.
  expect(apart.buffers).toHaveLength(2 + 2 * 5);
});

test('layers of the same types have the same offsets, so that they share their pipelines', () => {
  const { layers } = allocated((tensors) => [...tensors]).map().weights;
  const offsets = layers.map(({ qkv, attentionOutput, gateUp, down, inputNorm, qNorm }) =>
    [...qkv.map(({ matrix }) => matrix), attentionOutput, ...gateUp, down]
      .flatMap(({ parts }) => parts.flatMap(({ ranges }) => ranges.map(({ offset }) => offset)))
      .concat(inputNorm.weights.offset, qNorm.offset),
  );
  expect(offsets[1]).toEqual(offsets[0]);
});
