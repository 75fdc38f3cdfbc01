import { describe, expect, test } from 'vitest';
import { TINY_CONFIG, TINY_TOKENIZER, type TinyGguf, tinyGgufParts } from '../../tests/fixtures/tiny-model.ts';
import { gemma3Expectations, gemma3Vocabulary } from '../../tests/tokenizer/gemma3-vocabulary.ts';
import { type GgufMetadataValue, gemma3Metadata, ggufFile } from '../../tools/gguf-writer.ts';
import { memorySource } from './byte-source.ts';
import { chatIds } from './chat.ts';
import type { Gemma3Config } from './config.ts';
import { expectedTensors } from './gemma3-tensors.ts';
import { openGguf } from './gguf.ts';
import { isNorm } from './norm.ts';
import type { ModelSource } from './source.ts';
import { tensorBytes } from './tensor.ts';
import { createTokenizer } from './tokenizer.ts';
import { gemmaPieceTypes, PIECE_TYPE } from './vocabulary.ts';

/* Gemma 3 as other programs than llama.cpp's converter wrote it: what they left out, named otherwise or got wrong. */

/** Layers as in the 1B, and as small as can be. */
const LAYERS_OF_1B: Gemma3Config = {
  ...TINY_CONFIG,
  ...{ hiddenSize: 64, feedForwardSize: 32, layerCount: 26, headCount: 2, kvHeadCount: 1, headDim: 16 },
};

function set(parts: TinyGguf, key: string, value: GgufMetadataValue): void {
  parts.metadata = [...parts.metadata.filter(([name]) => name !== key), [key, value]];
}

function open({ metadata, tensors, data }: TinyGguf): Promise<ModelSource> {
  return openGguf(memorySource(ggufFile(metadata, tensors, data)), { id: 'tiny' });
}

/** The tiny model in the keys of Ollama's multimodal files, which have none for the norms' epsilon and for RoPE. */
function ollamaMultimodal(): TinyGguf {
  const parts = tinyGgufParts();
  parts.metadata = parts.metadata.filter(([key]) => !/rms_epsilon|rope|sliding_window_pattern/.test(key));
  const vision: Record<string, number> = {
    'gemma3.mm.tokens_per_image': 256,
    'gemma3.vision.attention.head_count': 16,
    'gemma3.vision.block_count': 27,
    'gemma3.vision.embedding_length': 1152,
    'gemma3.vision.image_size': 896,
  };
  for (const [key, value] of Object.entries(vision)) set(parts, key, { type: 'u32', value });
  set(parts, 'gemma3.vision.attention.layer_norm_epsilon', { type: 'f32', value: 1e-6 });
  return parts;
}

describe('a multimodal file', () => {
  test('without keys for RoPE has that of 4B, 12B and 27B, whose text parts are scaled by 8', async () => {
    const { config } = await open(ollamaMultimodal());
    expect(config).toEqual({ ...TINY_CONFIG, slidingWindowPattern: 6, ropeScaleGlobal: 8 });
    expect(config.rmsNormEpsilon).toBe(1e-6);
  });

  test.each<[string, GgufMetadataValue, number]>([
    ['gemma3.rope.scaling.type', { type: 'string', value: 'none' }, 1],
    ['gemma3.rope.scaling.factor', { type: 'f32', value: 4 }, 4],
  ])('has the scaling that it states: %s', async (key, value, expected) => {
    const parts = ollamaMultimodal();
    set(parts, key, value);
    expect((await open(parts)).config.ropeScaleGlobal).toBe(expected);
  });

  test('may list pieces of the vision part, for which its text part has no row', async () => {
    const parts = ollamaMultimodal();
    const more = <T>(list: readonly T[], item: T): T[] => [...list, item];
    set(parts, 'tokenizer.ggml.tokens', { type: 'strings', value: more(TINY_TOKENIZER.tokens, '<image_soft_token>') });
    set(parts, 'tokenizer.ggml.scores', { type: 'f32s', value: more(TINY_TOKENIZER.scores, -1000) });
    set(parts, 'tokenizer.ggml.token_type', { type: 'i32s', value: more(TINY_TOKENIZER.types, PIECE_TYPE.control) });
    expect((await open(parts)).tokenizer).toEqual(TINY_TOKENIZER);

    parts.metadata = parts.metadata.filter(([key]) => !/vision|\.mm\./.test(key));
    await expect(open(parts)).rejects.toMatchObject({
      code: 'corrupt',
      message: 'The vocabulary has 321 pieces, but the embedding 320 rows.',
    });
  });
});

test('a text-only file without keys for RoPE is not scaled', async () => {
  const parts = tinyGgufParts();
  parts.metadata = parts.metadata.filter(([key]) => !key.includes('rope'));
  expect((await open(parts)).config.ropeScaleGlobal).toBe(1);
});

test("the thetas are found under Ollama's names too", async () => {
  const parts = tinyGgufParts();
  parts.metadata = parts.metadata.filter(([key]) => !key.includes('freq_base'));
  set(parts, 'gemma3.rope.global.freq_base', { type: 'f32', value: 2_000_000 });
  set(parts, 'gemma3.rope.local.freq_base', { type: 'f32', value: 20_000 });
  expect((await open(parts)).config).toMatchObject({ ropeThetaGlobal: 2_000_000, ropeThetaLocal: 20_000 });
});

test('the soft-cap of 30 in files of the 1B is a mistake, any other is not', async () => {
  const capped = (config: Gemma3Config, value: number) => {
    const parts = tinyGgufParts(config);
    set(parts, 'gemma3.final_logit_softcapping', { type: 'f32', value });
    return open(parts);
  };
  expect((await capped(LAYERS_OF_1B, 30)).config).toMatchObject({ layerCount: 26 });
  const refused = { code: 'unsupported', message: expect.stringContaining('soft-cap') };
  await expect(capped(LAYERS_OF_1B, 50)).rejects.toMatchObject(refused);
  await expect(capped(TINY_CONFIG, 30)).rejects.toMatchObject(refused);
});

describe('a list of which layers see a window only', () => {
  const withPattern = async (isLocal: boolean[]) => {
    const parts = tinyGgufParts(LAYERS_OF_1B);
    set(parts, 'gemma3.attention.sliding_window_pattern', { type: 'bools', value: isLocal });
    return (await open(parts)).config.slidingWindowPattern;
  };

  test.each([
    ['every sixth is global', (i: number) => i % 6 !== 5, 6],
    ['every layer is global', () => false, 1],
    ['none is global', () => true, 27],
  ])('says that %s', async (_, isLocal, pattern) => {
    expect(await withPattern(Array.from({ length: 26 }, (_, i) => isLocal(i)))).toBe(pattern);
  });

  test.each([
    ['the last layer breaks the rule', Array.from({ length: 26 }, (_, i) => i % 6 !== 5 && i !== 25)],
    ['there are too few', Array.from({ length: 12 }, (_, i) => i % 6 !== 5)],
  ])('is refused where %s', async (_, isLocal) => {
    await expect(withPattern(isLocal)).rejects.toMatchObject({
      code: 'unsupported',
      message: 'The GGUF metadata gemma3.attention.sliding_window_pattern does not repeat every so many layers.',
    });
  });
});

describe("a vocabulary whose user-defined and control pieces pass for normal text, as in Google's QAT files", () => {
  const real = gemma3Vocabulary();
  /** Only the first four and the bytes are as they should be. */
  const passing = real.types.map((type, id) => (id < 4 || type === PIECE_TYPE.byte ? type : PIECE_TYPE.normal));

  test('gets the types of the real one', () => {
    expect(gemmaPieceTypes(real.tokens, passing)).toEqual(real.types);
    expect(gemmaPieceTypes(real.tokens, real.types)).toEqual(real.types);
  });

  test('is left alone where it is not that of Gemma 3', () => {
    const tokens = real.tokens.with(106, '<end>');
    expect(gemmaPieceTypes(tokens, passing)).toEqual(passing);
    expect(gemmaPieceTypes([], [])).toEqual([]);
  });

  test('chats in the ids of the real one, read from a file', async () => {
    const config = { ...TINY_CONFIG, hiddenSize: 32, layerCount: 1, vocabularySize: real.tokens.length };
    // Google's files have 0 where llama.cpp's converter writes -1000.
    const scores = real.tokens.map((_, id) => (real.types[id] === PIECE_TYPE.normal ? real.scores[id] : 0));
    const tensors = Array.from(expectedTensors(config), ([name, shape]) => ({
      name,
      type: isNorm(name) ? ('F32' as const) : ('Q4_0' as const),
      shape,
    }));
    const data = new Map(
      tensors.map(({ name, type, shape }) => [
        name,
        new Uint8Array(
          tensorBytes(
            type,
            shape.reduce((a, b) => a * b, 1),
          ),
        ),
      ]),
    );
    const metadata = gemma3Metadata(config, { ...real, scores, types: passing }, 'qat');
    const { tokenizer: read } = await open({ metadata, tensors, data });
    expect(read.stop).toEqual(real.stop);
    const tokenizer = createTokenizer(read);
    const { chats, texts } = gemma3Expectations();
    for (const { messages, ids } of chats) expect(chatIds(tokenizer, messages)).toEqual(ids);
    for (const { text, ids } of texts) expect(tokenizer.encode(text)).toEqual(ids);
  });
});
