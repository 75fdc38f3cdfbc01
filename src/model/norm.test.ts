import { describe, expect, test } from 'vitest';
import {
  memoryFolder,
  TINY_CONFIG,
  TINY_WIDE_CONFIG,
  tinyGguf,
  tinyHuggingFace,
  tinyWeights,
} from '../../tests/fixtures/tiny-model.ts';
import { memorySource } from './byte-source.ts';
import { expectedTensors } from './gemma3-tensors.ts';
import { openGguf } from './gguf.ts';
import { openHuggingFace } from './huggingface.ts';
import { effectiveNorm, isNorm } from './norm.ts';
import type { ModelSource } from './source.ts';

async function norms(model: ModelSource): Promise<Map<string, Float32Array>> {
  const found = new Map<string, Float32Array>();
  for await (const { tensor, bytes } of model.weights()) {
    if (!isNorm(tensor.name)) continue;
    expect(tensor.type).toBe('F32');
    found.set(tensor.name, new Float32Array(bytes.slice().buffer));
  }
  return found;
}

describe('the norm rule', () => {
  test('knows every norm of the model, q_norm and k_norm included, and nothing else', () => {
    const named = [...expectedTensors(TINY_CONFIG).keys()].filter(isNorm);
    expect(named).toEqual([
      'output_norm.weight',
      ...[0, 1].flatMap((layer) =>
        ['attn_norm', 'attn_q_norm', 'attn_k_norm', 'post_attention_norm', 'ffn_norm', 'post_ffw_norm'].map(
          (name) => `blk.${layer}.${name}.weight`,
        ),
      ),
    ]);
    expect(isNorm('model.layers.0.input_layernorm.weight')).toBe(true);
  });

  test('adds 1 to what safetensors hold and nothing to what GGUF files hold', () => {
    const stored = new Float32Array([-0.25, 0, 1]);
    expect([...effectiveNorm(stored, 'w')]).toEqual([0.75, 1, 2]);
    expect([...effectiveNorm(stored, '1+w')]).toEqual([-0.25, 0, 1]);
  });

  test('refuses a weight that is not a number', () => {
    expect(() => effectiveNorm(new Float32Array([Number.NaN]), 'w')).toThrow('not a finite number');
  });

  test.each([
    ['256', TINY_CONFIG],
    ['288', TINY_WIDE_CONFIG],
  ])('gives the same factors out of both files (rows of %s)', async (_, config) => {
    const gguf = await norms(await openGguf(memorySource(tinyGguf(config)), { id: 'tiny' }));
    const folder = await norms(await openHuggingFace(memoryFolder(tinyHuggingFace(config)), { id: 'tiny' }));
    expect(gguf.size).toBe(13);
    expect([...folder.keys()].toSorted()).toEqual([...gguf.keys()].toSorted());
    const weights = tinyWeights(config);
    for (const [name, factors] of gguf) {
      expect(folder.get(name)).toEqual(factors);
      expect(factors).toEqual(weights.get(name)!.map((w) => 1 + w));
    }
  });
});
