import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  hfName,
  memoryFolder,
  randomBits,
  safetensorsFile,
  TINY_CONFIG,
  TINY_TOKENIZER,
  tinyConfigJson,
  tinyGguf,
  tinyHuggingFace,
  tinyWeights,
} from '../../tests/fixtures/tiny-model.ts';
import { LapisError } from '../protocol/errors.ts';
import { memorySource } from './byte-source.ts';
import { dequantize, quantize } from './codecs/registry.ts';
import { expectedTensors } from './gemma3-tensors.ts';
import { openGguf } from './gguf.ts';
import { openHuggingFace } from './huggingface.ts';
import { isNorm } from './norm.ts';
import type { ModelSource } from './source.ts';
import type { TensorType } from './tensor.ts';
import { completeTokenizer } from './vocabulary.ts';

type Files = Map<string, Uint8Array>;

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function open(files: Files): Promise<ModelSource> {
  return openHuggingFace(memoryFolder(files), { id: 'tiny' });
}

async function failure(files: Files): Promise<{ code: string; message: string }> {
  const error = await open(files).then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(LapisError);
  return { code: error.code, message: error.message };
}

function withConfig(change: Record<string, unknown>): Files {
  return tinyHuggingFace().set('config.json', json({ ...tinyConfigJson(), ...change }));
}

/** The tiny model's tensors as safetensors wants them. */
function tensorsOf(dtype: TensorType, prefix = 'model.'): Parameters<typeof safetensorsFile>[0][number][] {
  const shapes = expectedTensors(TINY_CONFIG);
  return Array.from(tinyWeights(TINY_CONFIG), ([name, values]) => ({
    name: hfName(name, prefix),
    dtype: dtype as string,
    shape: shapes.get(name)!,
    data: quantize(dtype, values),
  }));
}

async function weightsOf(model: ModelSource): Promise<Map<string, Float32Array>> {
  const found = new Map<string, Float32Array>();
  for await (const { tensor, offset, bytes } of model.weights()) {
    expect(offset).toBe(0);
    found.set(tensor.name, dequantize(tensor.type, bytes));
  }
  return found;
}

async function expectTinyWeights(model: ModelSource): Promise<void> {
  const found = await weightsOf(model);
  const wanted = tinyWeights(TINY_CONFIG);
  expect(found.size).toBe(wanted.size);
  for (const [name, values] of wanted) {
    const expected = isNorm(name) ? values.map((w) => 1 + w) : values;
    expect(Buffer.compare(Buffer.from(found.get(name)!.buffer), Buffer.from(expected.buffer)), name).toBe(0);
  }
}

describe('a Hugging Face folder', () => {
  test('is the same model as the GGUF of it', async () => {
    const folder = await open(tinyHuggingFace());
    const gguf = await openGguf(memorySource(tinyGguf()), { id: 'tiny' });
    expect(folder.config).toEqual(gguf.config);
    expect(folder.tokenizer).toEqual(gguf.tokenizer);
    expect(folder.normSource).toBe('w');
    expect(folder.tensors.map(({ name }) => name)).toEqual([...expectedTensors(TINY_CONFIG).keys()]);
  });

  test.each<TensorType>(['BF16', 'F16', 'F32'])('is read from %s', async (dtype) => {
    const model = await open(tinyHuggingFace().set('model.safetensors', safetensorsFile(tensorsOf(dtype))));
    expect(model.tensors[0].type).toBe(dtype);
    await expectTinyWeights(model);
  });

  test('is read from several files by their index', async () => {
    const tensors = tensorsOf('BF16');
    const files = tinyHuggingFace();
    files.delete('model.safetensors');
    const parts = [tensors.slice(0, 10), tensors.slice(10)];
    const map: Record<string, string> = {};
    parts.forEach((part, i) => {
      const label = `model-0000${i + 1}-of-00002.safetensors`;
      files.set(label, safetensorsFile(part));
      for (const { name } of part) map[name] = label;
    });
    files.set('model.safetensors.index.json', json({ metadata: {}, weight_map: map }));
    await expectTinyWeights(await open(files));

    files.delete('model-00002-of-00002.safetensors');
    expect((await failure(files)).message).toContain('model-00002-of-00002.safetensors');
    files.set('model.safetensors.index.json', json({ weight_map: { a: '../../etc/passwd' } }));
    expect((await failure(files)).message).toContain('is missing');
  });

  test.each(['language_model.model.', 'model.language_model.'])(
    'is read from a multimodal checkpoint under %s',
    async (prefix) => {
      const vision = { name: 'vision_tower.x.weight', dtype: 'I8', shape: [4], data: new Uint8Array(4) };
      const projector = { ...vision, name: 'model.multi_modal_projector.y.weight' };
      const { architectures, model_type, eos_token_id, ...text } = tinyConfigJson();
      const files = tinyHuggingFace()
        .set('model.safetensors', safetensorsFile([vision, projector, ...tensorsOf('BF16', prefix)]))
        .set(
          'config.json',
          json({ architectures: ['Gemma3ForConditionalGeneration'], eos_token_id, text_config: text }),
        );
      const model = await open(files);
      expect(model.config).toEqual(TINY_CONFIG);
      await expectTinyWeights(model);
    },
  );

  test('leaves a head out that is the embedding, and reads one that is not', async () => {
    const embedding = tensorsOf('BF16')[0];
    const head = { ...embedding, name: 'lm_head.weight' };
    const file = safetensorsFile([...tensorsOf('BF16'), head]);
    const files = tinyHuggingFace().set('model.safetensors', file);
    expect((await open(files)).tensors.some(({ name }) => name === 'output.weight')).toBe(false);
    files.set('config.json', json({ ...tinyConfigJson(), tie_word_embeddings: false }));
    expect((await open(files)).tensors.at(-1)!.name).toBe('output.weight');
  });
});

describe('config.json', () => {
  test('of transformers 5 says the same in other words', async () => {
    const { sliding_window_pattern, rope_theta, rope_local_base_freq, rope_scaling, ...rest } = tinyConfigJson();
    const config = {
      ...rest,
      layer_types: ['sliding_attention', 'full_attention'],
      rope_parameters: {
        full_attention: { rope_type: 'linear', factor: 8, rope_theta: 1_000_000 },
        sliding_attention: { rope_type: 'default', rope_theta: 10_000 },
      },
    };
    expect((await open(tinyHuggingFace().set('config.json', json(config)))).config).toEqual(TINY_CONFIG);
  });

  test("has transformers' values where it says nothing", async () => {
    const { sliding_window_pattern, rope_theta, rope_local_base_freq, rope_scaling, rms_norm_eps, ...rest } =
      tinyConfigJson();
    expect((await open(tinyHuggingFace().set('config.json', json(rest)))).config).toEqual({
      ...TINY_CONFIG,
      slidingWindowPattern: 6,
      ropeScaleGlobal: 1,
    });
  });

  test.each<[Record<string, unknown>, string, string]>([
    [{ architectures: ['LlamaForCausalLM'] }, 'not-gemma', 'LlamaForCausalLM'],
    [{ architectures: ['Gemma2ForCausalLM'] }, 'not-gemma', 'Gemma2ForCausalLM'],
    [{ rope_scaling: { rope_type: 'yarn', factor: 4 } }, 'unsupported', '"yarn"'],
    [{ hidden_activation: 'silu' }, 'unsupported', '"silu"'],
    [{ final_logit_softcapping: 30 }, 'unsupported', 'soft-cap'],
    [{ quantization_config: { bits: 4 } }, 'unsupported', 'quantized'],
    [{ layer_types: ['full_attention', 'sliding_attention'] }, 'unsupported', 'layer_types'],
    [{ hidden_size: 'big' }, 'corrupt', 'hidden_size'],
    [{ hidden_size: 128 }, 'corrupt', 'token_embd.weight'],
    [{ num_hidden_layers: 3 }, 'corrupt', 'blk.2.attn_norm.weight is missing'],
  ])('is refused with what is wrong: %o', async (change, code, named) => {
    const error = await failure(withConfig(change));
    expect(error.code).toBe(code);
    expect(error.message).toContain(named);
  });

  test('is named when it is missing or no JSON', async () => {
    const files = tinyHuggingFace();
    files.set('config.json', new Uint8Array([123]));
    expect((await failure(files)).message).toBe('config.json is not JSON.');
    files.delete('config.json');
    expect((await failure(files)).message).toBe('The folder has no config.json.');
  });
});

describe.each(['tiny', 'wide', 'grouped'])('the checkpoint %s of the goldens', (name) => {
  const files: Files = new Map(
    ['config.json', 'config.transformers-5.json', 'model.safetensors', 'tokenizer.model'].map((file) => [
      file,
      readFileSync(new URL(`../../tests/goldens/data/${name}/${file}`, import.meta.url)),
    ]),
  );

  test('opens, and is the same model by the config of transformers 5', async () => {
    const model = await open(files);
    expect(model.tokenizer.tokens.slice(0, 4)).toEqual(['<pad>', '<eos>', '<bos>', '<unk>']);
    expect(model.tokenizer.stop).toEqual([1, 106]);
    const again = await open(new Map([...files, ['config.json', files.get('config.transformers-5.json')!]]));
    expect(again.config).toEqual(model.config);
    expect(again.tokenizer).toEqual(model.tokenizer);
    expect(again.tensors).toEqual(model.tensors);
  });
});

describe('safetensors', () => {
  const whole = tinyHuggingFace().get('model.safetensors')!;
  const headerEnd = 8 + Number(new DataView(whole.buffer).getBigUint64(0, true));

  test.each([0, 7, 8, 100, headerEnd - 1, headerEnd, whole.length - 1])(
    'that end at byte %i are found out',
    async (end) => {
      const { code, message } = await failure(tinyHuggingFace().set('model.safetensors', whole.subarray(0, end)));
      expect(code).toBe('corrupt');
      expect(message).toContain('model.safetensors');
    },
  );

  test('with a header of absurd length cost no memory', async () => {
    const file = whole.slice();
    new DataView(file.buffer).setBigUint64(0, 2n ** 62n, true);
    expect((await failure(tinyHuggingFace().set('model.safetensors', file))).message).toContain('claims a header');
  });

  test.each<[string, string, string]>([
    ['dtype', 'F8_E4M3', 'model.embed_tokens.weight is of type F8_E4M3'],
    ['name', 'model.layers.0.self_attn.q_proj.bias', 'q_proj.bias'],
    ['name', 'model.constructor', 'model.constructor'],
    ['name', 'model.layers.0.toString', 'model.layers.0.toString'],
  ])('with another %s are refused', async (field, value, named) => {
    const [first, ...rest] = tensorsOf('BF16');
    const file = safetensorsFile([{ ...first, [field]: value }, ...rest]);
    expect((await failure(tinyHuggingFace().set('model.safetensors', file))).message).toContain(named);
  });

  test('with a tensor of another length than its shape are refused', async () => {
    const [first, ...rest] = tensorsOf('BF16');
    const file = safetensorsFile([{ ...first, data: first.data.subarray(2) }, ...rest]);
    expect((await failure(tinyHuggingFace().set('model.safetensors', file))).message).toContain('instead of');
  });
});

describe('the tokenizer', () => {
  /** tokenizer.json of the same vocabulary, with a merge to show where scores come from. */
  function tokenizerJson(): Record<string, unknown> {
    const { tokens, types } = TINY_TOKENIZER;
    const normal = tokens
      .map((token, id) => [token, id] as const)
      .filter((_, id) => types[id] === 1 || types[id] === 6);
    return {
      model: { type: 'BPE', byte_fallback: true, vocab: Object.fromEntries(normal), merges: [['a', 'b'], 'b c'] },
      added_tokens: tokens
        .map((content, id) => ({ id, content, special: types[id] === 3 }))
        .filter(({ id }) => types[id] === 3 || types[id] === 4),
    };
  }

  test('comes out of tokenizer.json where there is no tokenizer.model', async () => {
    const files = tinyHuggingFace().set('tokenizer.json', json(tokenizerJson()));
    files.delete('tokenizer.model');
    files.delete('tokenizer_config.json');
    const { tokens, types, stop, unknown, bos } = (await open(files)).tokenizer;
    expect({ tokens, types, stop, unknown, bos }).toEqual({
      tokens: TINY_TOKENIZER.tokens,
      types: TINY_TOKENIZER.types,
      stop: [1, 5],
      unknown: 3,
      bos: 2,
    });
  });

  test('takes scores from the order of the merges', async () => {
    const value = tokenizerJson() as { model: { vocab: Record<string, number> } };
    const last = TINY_TOKENIZER.tokens.length - 1;
    delete value.model.vocab[TINY_TOKENIZER.tokens[last]];
    delete value.model.vocab[TINY_TOKENIZER.tokens[last - 1]];
    value.model.vocab.ab = last - 1;
    value.model.vocab.bc = last;
    const files = tinyHuggingFace().set('tokenizer.json', json(value));
    files.delete('tokenizer.model');
    const { scores } = (await open(files)).tokenizer;
    expect(scores[last - 1]).toBeGreaterThan(scores[last]);
    expect(scores[last]).toBeGreaterThan(scores[TINY_TOKENIZER.tokens.indexOf('a')]);
  });

  test('is padded to the rows of the embedding, and never longer than them', () => {
    const { tokens, scores, types, bos, eos, pad, unknown } = TINY_TOKENIZER;
    const read = { tokens, scores, types, bos, eos, pad, unknown };
    const padded = completeTokenizer(read, 322);
    expect(padded.tokens.slice(320)).toEqual(['[PAD320]', '[PAD321]']);
    expect(padded.types.slice(320)).toEqual([5, 5]);
    expect(() => completeTokenizer(read, 319)).toThrow('320 pieces');
  });

  test('writes spaces as U+2581 in user-defined pieces, as llama.cpp does not', () => {
    const { scores, types, bos, eos, pad, unknown } = TINY_TOKENIZER;
    const tokens = TINY_TOKENIZER.tokens.map((token) => (token === '▁▁' ? '  ' : token));
    expect(completeTokenizer({ tokens, scores, types, bos, eos, pad, unknown }, 320)).toEqual(TINY_TOKENIZER);
  });

  test('is named when it is damaged or missing', async () => {
    const files = tinyHuggingFace();
    files.set('tokenizer.model', files.get('tokenizer.model')!.subarray(0, 1001));
    expect((await failure(files)).message).toContain('tokenizer.model is damaged');
    files.delete('tokenizer.model');
    expect((await failure(files)).message).toBe('The folder has neither tokenizer.model nor tokenizer.json.');
  });
});

test('never hangs, and never fails with anything but a sentence, however its small files are mutated', async () => {
  const next = randomBits(5);
  const original = tinyHuggingFace();
  const weights = original.get('model.safetensors')!;
  const limits: Record<string, number> = {
    'config.json': original.get('config.json')!.length,
    'tokenizer.model': original.get('tokenizer.model')!.length,
    'tokenizer_config.json': original.get('tokenizer_config.json')!.length,
    'model.safetensors': 8 + Number(new DataView(weights.buffer).getBigUint64(0, true)),
  };
  const names = Object.keys(limits);
  let refused = 0;
  for (let round = 0; round < 400; round++) {
    const name = names[round % names.length];
    const bytes = new Uint8Array(original.get(name)!);
    for (let i = 0; i <= next() % 3; i++) {
      const at = next() % limits[name];
      bytes[at] = next() & 1 ? next() & 255 : bytes[at] ^ (1 << (next() & 7));
    }
    try {
      await open(new Map([...original, [name, bytes]]));
    } catch (error) {
      refused++;
      expect(error).toBeInstanceOf(LapisError);
      expect((error as LapisError).code).not.toBe('internal');
      expect((error as LapisError).message).toMatch(/\.$/);
    }
  }
  expect(refused).toBeGreaterThan(100);
});
