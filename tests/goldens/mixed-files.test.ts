import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GpuDevice } from '../../src/gpu/device.ts';
import { Gemma3 } from '../../src/gpu/gemma3.ts';
import { memorySource } from '../../src/model/byte-source.ts';
import { dequantize, quantize } from '../../src/model/codecs/registry.ts';
import { storeGguf } from '../../src/model/convert.ts';
import { expectedTensors, OUTPUT_TENSOR } from '../../src/model/gemma3-tensors.ts';
import { type GgufModelSource, openGguf } from '../../src/model/gguf.ts';
import { isNorm } from '../../src/model/norm.ts';
import { openShards } from '../../src/model/shards.ts';
import type { ModelSource } from '../../src/model/source.ts';
import { TENSOR_TYPES, type TensorType } from '../../src/model/tensor.ts';
import { type GgufMetadata, type GgufTensorSpec, gemma3Metadata, ggufFile } from '../../tools/gguf-writer.ts';
import { openModel } from '../../tools/model-files.ts';
import { memoryShards, TINY_CONFIG, TINY_TOKENIZER, tinyWeights } from '../fixtures/tiny-model.ts';
import { expectClose, openTestDevice, relativeL2 } from '../gpu/test-device.ts';
import { readGolden, TOLERANCE } from './golden.ts';

/*
 * Publishers mix tensor types as they like, and some files hold more than a text model. Each file here is compared with one that
 * holds the same values as F32, or with Hugging Face's logits: a type is read, never assumed.
 */

const TIMEOUT = 240_000;
/** A model of each type takes too long for every run on a CPU. */
const LONG = process.env.LAPIS_LONG === '1';
const TYPES = Object.keys(TENSOR_TYPES) as TensorType[];
const PROMPT = [2, 4, 265, 270, 281, 290, 300, 5, 7, 311, 266, 319, 40, 41, 299, 6, 301, 302, 265, 270, 271];
const EMBEDDING = 'token_embd.weight';
/** f32 sums in another order, carried through a few layers and an f16 cache. */
const SAME_VALUES = 1e-5;

interface File {
  tensors: GgufTensorSpec[];
  data: Map<string, Uint8Array>;
  metadata: GgufMetadata;
}

/** The made-up model with each matrix in the type that `typeOf` gives; `output` unties the head, with weights of its own. */
function fileOf(typeOf: (name: string) => TensorType, { output = false } = {}): File {
  const shapes = expectedTensors(TINY_CONFIG);
  const weights = new Map(tinyWeights(TINY_CONFIG));
  if (output) {
    shapes.set(OUTPUT_TENSOR, shapes.get(EMBEDDING)!);
    weights.set(OUTPUT_TENSOR, weights.get(EMBEDDING)!.toReversed());
  }
  const tensors: GgufTensorSpec[] = [];
  const data = new Map<string, Uint8Array>();
  for (const [name, shape] of shapes) {
    const type = isNorm(name) ? 'F32' : typeOf(name);
    const values = weights.get(name)!;
    tensors.push({ name, type, shape });
    data.set(name, quantize(type, isNorm(name) ? values.map((w) => 1 + w) : values));
  }
  return { tensors, data, metadata: gemma3Metadata(TINY_CONFIG, TINY_TOKENIZER, 'tiny') };
}

/** The same values, all as F32. */
function asF32({ tensors, data, metadata }: File): File {
  return {
    tensors: tensors.map((tensor) => ({ ...tensor, type: 'F32' })),
    data: new Map(tensors.map(({ name, type }) => [name, quantize('F32', dequantize(type, data.get(name)!))])),
    metadata,
  };
}

function open({ metadata, tensors, data }: File): Promise<GgufModelSource> {
  return openGguf(memorySource(ggufFile(metadata, tensors, data)), { id: 'tiny' });
}

let device: GpuDevice;
let close: () => void;

// One device for all models: each would otherwise compile the same pipelines.
beforeAll(async () => ({ device, close } = await openTestDevice()));
afterAll(() => close());

/** Logits after a prompt and after a generated token, which go through different kernels. */
async function logitsOf(source: ModelSource, prompt = PROMPT) {
  const model = await Gemma3.load(device, source, { contextTokens: 64, slotCount: 1, chunk: 32 });
  const slot = model.openSlot()!;
  await model.prefill(slot, prompt);
  const logits = await model.logits(slot);
  await model.step([slot]);
  return { prompt: logits, generated: await model.logits(slot) };
}

async function expectSameAsF32(file: File) {
  const actual = await logitsOf(await open(file));
  const expected = await logitsOf(await open(asF32(file)));
  expectClose(actual.prompt, expected.prompt, SAME_VALUES);
  expectClose(actual.generated, expected.generated, SAME_VALUES);
  return actual;
}

/** Every matrix of a layer in another type, and the same matrix of the next layer in another again: all types occur. */
function everyType(name: string): TensorType {
  const names = [...expectedTensors(TINY_CONFIG).keys()].filter((tensor) => !isNorm(tensor));
  return TYPES[names.indexOf(name) % TYPES.length];
}

describe('a file of mixed types gives what the same values give as F32', () => {
  test(
    'when no matrices in a row have the same type, nor one in two layers; from the file and from shards',
    async () => {
      const file = fileOf(everyType);
      const matrices = new Map(file.tensors.filter(({ name }) => !isNorm(name)).map(({ name, type }) => [name, type]));
      expect(new Set(matrices.values())).toEqual(new Set(TYPES));
      for (const matrix of ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down']) {
        expect(matrices.get(`blk.0.${matrix}.weight`)).not.toBe(matrices.get(`blk.1.${matrix}.weight`));
      }
      const logits = await expectSameAsF32(file);

      const folder = memoryShards();
      const manifest = await storeGguf(folder, await open(file), { modelId: 'tiny', shardBytes: 30_000 });
      expect(manifest.tensors.filter(({ parts }) => parts.length > 1).length).toBeGreaterThan(8);
      expect(await logitsOf(await openShards(folder))).toEqual(logits);
    },
    TIMEOUT,
  );

  test.each<[embedding: TensorType, others: TensorType]>([
    ['F16', 'Q4_0'],
    ['Q6_K', 'IQ4_NL'],
    ...(LONG ? TYPES.map((type): [TensorType, TensorType] => [type, type]) : []),
  ])(
    'when its embedding, and so its head, is %s and all else %s',
    async (embedding, others) => {
      await expectSameAsF32(fileOf((name) => (name === EMBEDDING ? embedding : others)));
    },
    TIMEOUT,
  );

  test(
    'when its head is untied, in a type of its own',
    async () => {
      const types: Record<string, TensorType> = { [OUTPUT_TENSOR]: 'Q6_K', [EMBEDDING]: 'Q5_1' };
      await expectSameAsF32(fileOf((name) => types[name] ?? 'Q4_1', { output: true }));
    },
    TIMEOUT,
  );
});

test(
  'an untied head gives the logits: with the rows of the embedding in reverse, those of Hugging Face in reverse',
  async () => {
    const golden = readGolden('tiny');
    const tied = await openModel(golden.model);
    const data = new Map(tied.tensors.map((tensor) => [tensor.name, new Uint8Array(tensor.bytes)]));
    for await (const { tensor, offset, bytes } of tied.weights()) data.get(tensor.name)!.set(bytes, offset);
    const embedding = tied.tensors.find(({ name }) => name === EMBEDDING)!;
    const rowBytes = embedding.bytes / embedding.shape[0];
    const rows = Array.from({ length: embedding.shape[0] }, (_, row) =>
      data.get(embedding.name)!.subarray(row * rowBytes, (row + 1) * rowBytes),
    );
    data.set(OUTPUT_TENSOR, Buffer.concat(rows.toReversed()));
    const source = await open({
      metadata: gemma3Metadata(tied.config, tied.tokenizer, 'untied'),
      tensors: [...tied.tensors, { ...embedding, name: OUTPUT_TENSOR }],
      data,
    });
    const { position, top } = golden.top16[4];
    const { prompt } = await logitsOf(source, golden.tokens.slice(0, position + 1));
    const logits = prompt.toReversed();
    const [actual, expected] = [top.map(([id]) => logits[id]), top.map(([, logit]) => logit)];
    expect(relativeL2(actual, expected)).toBeLessThan(TOLERANCE);
  },
  TIMEOUT,
);

test(
  'a multimodal file gives the bits of its text part, whatever stands beside it',
  async () => {
    const text = fileOf((name) => (name === EMBEDDING ? 'F16' : 'Q4_0'));
    const vision: GgufTensorSpec[] = [
      { name: 'v.patch_embedding.weight', type: 'F16', shape: [8, 3, 14, 14] },
      { name: 'v.position_embedding.weight', type: 'F32', shape: [64, 8], typeId: 10 },
      { name: 'v.blk.0.attn_q.weight', type: 'F32', shape: [8, 8], typeId: 999 },
      { name: 'v.blk.0.layer_norm1.weight', type: 'F16', shape: [8] },
      { name: 'v.post_layernorm.bias', type: 'F32', shape: [8] },
      { name: 'mm.mm_input_projection.weight', type: 'BF16', shape: [8, 256] },
      { name: 'mm.mm_soft_emb_norm.weight', type: 'F32', shape: [8] },
    ];
    const data = new Map(text.data);
    // Finite numbers in every type, and none of them 0: a vision tensor taken for one of the text model would be seen.
    for (const { name, type, shape } of vision) {
      const { blockBytes } = TENSOR_TYPES[type];
      data.set(name, new Uint8Array(shape.reduce((a, b) => a * b, blockBytes)).fill(0x3c));
    }
    const [first, ...rest] = text.tensors;
    const tensors = [vision[0], first, ...vision.slice(1, 4), ...rest, ...vision.slice(4)];
    const metadata: GgufMetadata = [
      ['gemma3.vision.block_count', { type: 'u32', value: 27 }],
      ['gemma3.vision.attention.layer_norm_epsilon', { type: 'f32', value: 1e-6 }],
      ['gemma3.mm.tokens_per_image', { type: 'u32', value: 256 }],
      ...text.metadata,
      ['clip.vision.image_mean', { type: 'f32s', value: [0.5, 0.5, 0.5] }],
      ['tokenizer.ggml.merges', { type: 'strings', value: [] }],
    ];
    const source = await open({ tensors, data, metadata });
    expect(source.tensors.map(({ name }) => name).toSorted()).toEqual(text.tensors.map(({ name }) => name).toSorted());
    const logits = await logitsOf(await open(text));
    expect(await logitsOf(source)).toEqual(logits);
    const folder = memoryShards();
    await storeGguf(folder, source, { modelId: 'tiny', shardBytes: 30_000 });
    expect(await logitsOf(await openShards(folder))).toEqual(logits);
  },
  TIMEOUT,
);
