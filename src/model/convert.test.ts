import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  hfName,
  memoryFolder,
  memoryShards,
  safetensorsFile,
  TINY_CONFIG,
  TINY_WIDE_CONFIG,
  tinyGguf,
  tinyHuggingFace,
  tinyWeights,
} from '../../tests/fixtures/tiny-model.ts';
import { memorySource } from './byte-source.ts';
import { quantize } from './codecs/registry.ts';
import type { Gemma3Config } from './config.ts';
import { convertModel, storeGguf } from './convert.ts';
import { expectedTensors } from './gemma3-tensors.ts';
import { openGguf } from './gguf.ts';
import { openHuggingFace } from './huggingface.ts';
import { MANIFEST_FILE, QUANTIZATIONS, type Quantization } from './manifest.ts';
import { isNorm } from './norm.ts';
import { hasMoreBits, quantizedType } from './quantization.ts';
import { openShards } from './shards.ts';
import type { ModelSource } from './source.ts';
import type { TensorInfo, TensorType } from './tensor.ts';

const GEMMA_1B: Gemma3Config = {
  ...TINY_CONFIG,
  hiddenSize: 1152,
  feedForwardSize: 6912,
  layerCount: 26,
  headCount: 4,
  kvHeadCount: 1,
  headDim: 256,
  vocabularySize: 262_144,
};
const GEMMA_4B: Gemma3Config = {
  ...GEMMA_1B,
  hiddenSize: 2560,
  feedForwardSize: 10_240,
  layerCount: 34,
  headCount: 8,
  kvHeadCount: 4,
};

/** Types of all tensors of a model under a quantization: name without the layer → type → how many. */
function typeCounts(
  config: Gemma3Config,
  quantization: Quantization,
  head = false,
): Record<string, Record<string, number>> {
  const shapes = expectedTensors(config);
  if (head) shapes.set('output.weight', shapes.get('token_embd.weight')!);
  const tensors = Array.from(shapes, ([name, shape]) => ({ name, shape })) as TensorInfo[];
  const counts: Record<string, Record<string, number>> = {};
  for (const tensor of tensors) {
    const type = quantizedType(tensor, quantization, { config, tensors });
    const kind = isNorm(tensor.name) ? 'norms' : tensor.name.replace(/^blk\.\d+\./, '').replace('.weight', '');
    counts[kind] ??= {};
    counts[kind][type] = (counts[kind][type] ?? 0) + 1;
  }
  return counts;
}

describe("llama.cpp's choice of types", () => {
  test('is that of the published 1B Q4_K_M, which is mostly not Q4_K', () => {
    expect(typeCounts(GEMMA_1B, 'q4_k_m')).toEqual({
      token_embd: { Q8_0: 1 },
      attn_q: { Q5_0: 26 },
      attn_k: { Q5_0: 26 },
      attn_v: { Q8_0: 13, Q5_0: 13 },
      attn_output: { Q4_K: 26 },
      ffn_gate: { Q5_0: 26 },
      ffn_up: { Q5_0: 26 },
      ffn_down: { Q6_K: 13, Q4_K: 13 },
      norms: { F32: 157 },
    });
  });

  test('gives more bits to these layers of 26', () => {
    const layers = Array.from({ length: 26 }, (_, i) => i).filter((i) => hasMoreBits(i, 26));
    expect(layers).toEqual([0, 1, 2, 5, 8, 11, 14, 17, 20, 22, 23, 24, 25]);
  });

  test('falls back nowhere in the 4B', () => {
    expect(typeCounts(GEMMA_4B, 'q4_k_m')).toMatchObject({
      token_embd: { Q6_K: 1 },
      attn_q: { Q4_K: 34 },
      attn_v: { Q6_K: 17, Q4_K: 17 },
      ffn_down: { Q6_K: 17, Q4_K: 17 },
    });
  });

  test.each<[Quantization, TensorType, TensorType]>([
    ['q4_0', 'Q4_0', 'Q6_K'],
    ['q5_0', 'Q5_0', 'Q6_K'],
    ['q8_0', 'Q8_0', 'Q8_0'],
    ['f16', 'F16', 'F16'],
  ])('is plain for %s: %s, the embedding %s', (quantization, type, embedding) => {
    expect(typeCounts(GEMMA_4B, quantization)).toMatchObject({
      token_embd: { [embedding]: 1 },
      attn_v: { [type]: 34 },
      ffn_down: { [type]: 34 },
      norms: { F32: 205 },
    });
    const fallback = embedding === 'Q6_K' ? 'Q8_0' : embedding;
    expect(typeCounts(GEMMA_1B, quantization).token_embd).toEqual({ [fallback]: 1 });
  });

  test('treats a head of its own as the head, and the embedding as any other tensor', () => {
    expect(typeCounts(GEMMA_4B, 'q4_k_m', true)).toMatchObject({ output: { Q6_K: 1 }, token_embd: { Q4_K: 1 } });
  });

  test('takes F16 for rows that fit nothing', () => {
    expect(typeCounts({ ...TINY_CONFIG, hiddenSize: 40 }, 'q4_0').attn_q).toEqual({ F16: 2 });
  });
});

async function openTiny(config: Gemma3Config = TINY_CONFIG): Promise<ModelSource> {
  return openHuggingFace(memoryFolder(tinyHuggingFace(config)), { id: 'tiny' });
}

async function collect(model: ModelSource): Promise<Map<string, Buffer>> {
  const parts = new Map<string, Buffer[]>();
  for await (const { tensor, bytes } of model.weights()) {
    parts.set(tensor.name, [...(parts.get(tensor.name) ?? []), Buffer.from(bytes.slice())]);
  }
  return new Map(Array.from(parts, ([name, list]) => [name, Buffer.concat(list)]));
}

describe('a converted checkpoint', () => {
  test.each(QUANTIZATIONS)('holds what ggml would make of each tensor, norms as 1 + w: %s', async (quantization) => {
    for (const config of [TINY_CONFIG, TINY_WIDE_CONFIG]) {
      const folder = memoryShards();
      const manifest = await convertModel(folder, await openTiny(config), {
        modelId: 'mine',
        quantization,
        shardBytes: 90_000,
      });
      expect(manifest.shards.length).toBeGreaterThan(1);
      expect(manifest).toMatchObject({
        modelId: 'mine',
        norm: 'effective',
        source: { kind: 'huggingface', quantization },
      });
      const model = await openShards(folder);
      expect(model).toMatchObject({ id: 'mine', config, normSource: 'w' });
      const stored = await collect(model);
      for (const { name, type } of model.tensors) {
        const w = tinyWeights(config).get(name)!;
        const expected = isNorm(name)
          ? quantize(
              'F32',
              w.map((x) => 1 + x),
            )
          : quantize(type, w);
        expect(Buffer.compare(stored.get(name)!, Buffer.from(expected)), `${name} ${type}`).toBe(0);
      }
    }
  });

  test('begins every tensor at a multiple of 32', async () => {
    const { shards, tensors } = await convertModel(memoryShards(), await openTiny(TINY_WIDE_CONFIG), {
      modelId: 'tiny',
      quantization: 'q4_k_m',
    });
    expect(shards).toHaveLength(1);
    for (const { parts } of tensors) expect(parts[0].offset % 32).toBe(0);
  });

  test('can be cancelled in the middle, and is no model then', async () => {
    const folder = memoryShards();
    const controller = new AbortController();
    const work = convertModel(folder, await openTiny(), {
      modelId: 'tiny',
      quantization: 'q8_0',
      shardBytes: 90_000,
      signal: controller.signal,
      onProgress: ({ bytesDone, bytesTotal }) => bytesDone > bytesTotal / 2 && controller.abort(),
    });
    await expect(work).rejects.toMatchObject({ code: 'aborted' });
    expect(folder.files.size).toBeGreaterThan(1);
    expect(folder.files.has(MANIFEST_FILE)).toBe(false);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, 70_000])(
    'is refused for the weight %d, with its tensor',
    async (weight) => {
      const shapes = expectedTensors(TINY_CONFIG);
      const tensors = Array.from(tinyWeights(TINY_CONFIG), ([name, values]) => {
        const copy = values.slice();
        if (name === 'token_embd.weight') copy[1000] = weight;
        return { name: hfName(name), dtype: 'F32', shape: shapes.get(name)!, data: quantize('F32', copy) };
      });
      const files = tinyHuggingFace().set('model.safetensors', safetensorsFile(tensors));
      const model = await openHuggingFace(memoryFolder(files), { id: 'tiny' });
      const work = convertModel(memoryShards(), model, { modelId: 'tiny', quantization: 'f16' });
      await expect(work).rejects.toMatchObject({
        code: 'corrupt',
        message: expect.stringContaining(`The tensor token_embd.weight holds the weight ${weight}`),
      });
    },
  );

  test('is not made of a model that is quantized already', async () => {
    const gguf = await openGguf(memorySource(tinyGguf()), { id: 'tiny' });
    const work = convertModel(memoryShards(), gguf, { modelId: 'tiny', quantization: 'q8_0' });
    await expect(work).rejects.toMatchObject({ code: 'bad-request' });
  });
});

describe.each(['small-Q8_0', 'wide-Q4_0'])('the reference model %s', (name) => {
  test('goes through shards unchanged', async () => {
    const file = readFileSync(new URL(`../../tests/goldens/reference/${name}.gguf`, import.meta.url));
    const gguf = await openGguf(memorySource(file), { id: name });
    const folder = memoryShards();
    const manifest = await storeGguf(folder, gguf, { modelId: name, shardBytes: 1024 * 1024 });
    expect(manifest.shards.length).toBeGreaterThan(4);
    const shards = manifest.shards.map((shard) => folder.files.get(shard.file)!);
    expect(Buffer.concat(shards).equals(file)).toBe(true);

    const model = await openShards(folder);
    expect(model.config).toEqual(gguf.config);
    const [stored, original] = [await collect(model), await collect(gguf)];
    expect(stored.size).toBe(original.size);
    for (const [tensor, bytes] of original) expect(stored.get(tensor)!.equals(bytes), tensor).toBe(true);
  });
});
