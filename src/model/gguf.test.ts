import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  TINY_CONFIG,
  TINY_TOKENIZER,
  type TinyGguf,
  tinyGguf,
  tinyGgufParts,
} from '../../tests/fixtures/tiny-model.ts';
import { type GgufMetadataValue, type GgufOptions, ggufFile } from '../../tools/gguf-writer.ts';
import { LapisError } from '../protocol/errors.ts';
import { blobSource, memorySource } from './byte-source.ts';
import { openGguf } from './gguf.ts';
import type { ModelSource } from './source.ts';
import { tensorBytes } from './tensor.ts';

/** A tiny model whose parts `change` has altered. */
function altered(change: (parts: TinyGguf) => void, options?: GgufOptions): Uint8Array<ArrayBuffer> {
  const parts = tinyGgufParts();
  change(parts);
  return ggufFile(parts.metadata, parts.tensors, parts.data, options);
}

function set(parts: TinyGguf, key: string, value: GgufMetadataValue): void {
  parts.metadata = [...parts.metadata.filter(([name]) => name !== key), [key, value]];
}

function open(bytes: Uint8Array): Promise<ModelSource> {
  return openGguf(memorySource(bytes), { id: 'tiny' });
}

async function failure(bytes: Uint8Array): Promise<{ code: string; message: string }> {
  const error = await open(bytes).then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(LapisError);
  return { code: error.code, message: error.message };
}

async function collect(model: ModelSource): Promise<Map<string, Uint8Array>> {
  const all = new Map<string, Uint8Array>();
  for await (const { tensor, offset, bytes } of model.weights()) {
    const whole = all.get(tensor.name) ?? new Uint8Array(tensor.bytes);
    whole.set(bytes, offset);
    all.set(tensor.name, whole);
  }
  return all;
}

describe('a GGUF file', () => {
  test.each([{ version: 2 }, { version: 3 }, { alignment: 4096 }, { alignment: 1 }])(
    'opens with %o',
    async (options) => {
      const model = await open(tinyGguf(TINY_CONFIG, options));
      expect(model.config).toEqual(TINY_CONFIG);
      expect(model.tokenizer).toEqual(TINY_TOKENIZER);
      expect(model.normSource).toBe('1+w');
    },
  );

  test('yields the stored bytes of every tensor once, in storage order, and counts them', async () => {
    const { data } = tinyGgufParts();
    const model = await open(tinyGguf());
    const progress: number[] = [];
    const names: string[] = [];
    for await (const { tensor, bytes } of model.weights({ onProgress: ({ bytesDone }) => progress.push(bytesDone) })) {
      names.push(tensor.name);
      expect(Buffer.from(bytes).equals(Buffer.from(data.get(tensor.name)!))).toBe(true);
    }
    expect(names).toEqual(model.tensors.map(({ name }) => name));
    expect(progress.at(-1)).toBe(model.tensors.reduce((sum, { bytes }) => sum + bytes, 0));
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
  });

  test('is read from a Blob alike', async () => {
    const bytes = tinyGguf();
    const model = await openGguf(blobSource(new Blob([bytes])), { id: 'tiny' });
    const read = await collect(model);
    for (const [name, stored] of await collect(await open(bytes))) {
      expect(Buffer.compare(read.get(name)!, stored)).toBe(0);
    }
  });

  test('cuts large tensors into whole rows of at most 16 MiB', async () => {
    const config = { ...TINY_CONFIG, hiddenSize: 5120, layerCount: 1, feedForwardSize: 5120 };
    const parts = tinyGgufParts({ ...TINY_CONFIG, layerCount: 1 });
    for (const [key, value] of [
      ['gemma3.embedding_length', config.hiddenSize],
      ['gemma3.feed_forward_length', config.feedForwardSize],
    ] as const) {
      set(parts, key, { type: 'u32', value });
    }
    for (const tensor of parts.tensors) {
      tensor.shape = tensor.shape.map((n, i) => {
        const norm = tensor.name.includes('q_norm') || tensor.name.includes('k_norm');
        const heads = /attn_[qkv]\.weight/.test(tensor.name) ? i === 0 : /attn_output/.test(tensor.name) && i === 1;
        return n === 256 && !norm && !heads ? 5120 : n;
      });
      const count = tensor.shape.reduce((a, b) => a * b, 1);
      parts.data.set(tensor.name, new Uint8Array(tensorBytes(tensor.type, count)));
    }
    const model = await open(ggufFile(parts.metadata, parts.tensors, parts.data));
    const chunks = new Map<string, number>();
    for await (const { tensor, offset, bytes } of model.weights()) {
      chunks.set(tensor.name, (chunks.get(tensor.name) ?? 0) + 1);
      const row = tensor.bytes / tensor.shape[0];
      expect(offset % row).toBe(0);
      expect(bytes.length % 4).toBe(0);
      expect(bytes.length).toBeLessThanOrEqual(16 * 1024 * 1024);
    }
    expect(chunks.get('blk.0.ffn_gate.weight')).toBe(4);
  });

  test('stops when its signal fires', async () => {
    const model = await open(tinyGguf());
    const controller = new AbortController();
    const read = async (): Promise<void> => {
      for await (const _ of model.weights({ signal: controller.signal })) controller.abort();
    };
    await expect(read()).rejects.toMatchObject({ code: 'aborted' });
  });

  test.each(['small-Q8_0', 'wide-Q4_0'])('written by llama.cpp opens: %s', async (name) => {
    const file = readFileSync(new URL(`../../tests/goldens/reference/${name}.gguf`, import.meta.url));
    const model = await open(file);
    expect(model.config).toMatchObject({
      headDim: 256,
      queryScale: 0.0625,
      rmsNormEpsilon: 1e-6,
      slidingWindowPattern: 6,
    });
    expect(model.tokenizer.stop).toEqual([1, 6]);
    let bytes = 0;
    for await (const chunk of model.weights()) bytes += chunk.bytes.length;
    expect(bytes).toBe(model.tensors.reduce((sum, tensor) => sum + tensor.bytes, 0));
  });
});

describe('the configuration', () => {
  test("has Gemma's values where the file stores none", async () => {
    const file = altered((parts) => {
      parts.metadata = parts.metadata.filter(([key]) => !/sliding_window_pattern|freq_base|rope\.scaling/.test(key));
    });
    expect((await open(file)).config).toEqual({ ...TINY_CONFIG, slidingWindowPattern: 6, ropeScaleGlobal: 1 });
  });

  test('has only global layers where the file has no window', async () => {
    const file = altered((parts) => {
      parts.metadata = parts.metadata.filter(([key]) => !key.includes('sliding_window'));
    });
    expect((await open(file)).config).toMatchObject({
      slidingWindowPattern: 1,
      slidingWindow: TINY_CONFIG.contextLength,
    });
  });

  test('scales queries by hidden size and heads in the 27B, whose 62 layers give it away', async () => {
    const small = { hiddenSize: 64, feedForwardSize: 32, layerCount: 62, headCount: 2, kvHeadCount: 1, headDim: 16 };
    const parts = tinyGgufParts({ ...TINY_CONFIG, ...small });
    parts.metadata = parts.metadata.filter(([key]) => key !== 'gemma3.attention.scale');
    const model = await open(ggufFile(parts.metadata, parts.tensors, parts.data));
    expect(model.config.queryScale).toBe(32 ** -0.5);
    set(parts, 'gemma3.attention.scale', { type: 'f32', value: 0.25 });
    expect((await open(ggufFile(parts.metadata, parts.tensors, parts.data))).config.queryScale).toBe(0.25);
  });

  test.each<[string, GgufMetadataValue, string]>([
    ['gemma3.rope.scaling.type', { type: 'string', value: 'yarn' }, 'yarn'],
    ['gemma3.attention.value_length', { type: 'u32', value: 32 }, 'values of another width'],
    ['gemma3.final_logit_softcapping', { type: 'f32', value: 30 }, 'soft-cap'],
    ['gemma3.attention.head_count_kv', { type: 'i32s', value: [2, 1] }, 'from layer to layer'],
    ['tokenizer.ggml.model', { type: 'string', value: 'gpt2' }, '"gpt2"'],
    ['split.count', { type: 'u32', value: 3 }, 'one of 3 parts'],
  ])('is refused as unsupported for %s %o', async (key, value, named) => {
    const { code, message } = await failure(altered((parts) => set(parts, key, value)));
    expect(code).toBe('unsupported');
    expect(message).toContain(named);
  });

  test.each<[string, GgufMetadataValue, string]>([
    ['gemma3.block_count', { type: 'u32', value: 4_000_000_000 }, 'layerCount'],
    ['gemma3.block_count', { type: 'f32', value: 1.5 }, 'layerCount'],
    ['gemma3.attention.head_count', { type: 'u32', value: 0 }, 'headCount'],
    ['gemma3.attention.layer_norm_rms_epsilon', { type: 'f32', value: Number.NaN }, 'rmsNormEpsilon'],
    ['gemma3.embedding_length', { type: 'string', value: '256' }, 'gemma3.embedding_length'],
    ['gemma3.embedding_length', { type: 'u32', value: 512 }, 'token_embd.weight'],
    ['tokenizer.ggml.scores', { type: 'f32s', value: [1, 2] }, '2 scores'],
    ['tokenizer.ggml.bos_token_id', { type: 'u32', value: 320 }, '320'],
  ])('is refused as corrupt for %s %o', async (key, value, named) => {
    const { code, message } = await failure(altered((parts) => set(parts, key, value)));
    expect(code).toBe('corrupt');
    expect(message).toContain(named);
  });
});

describe('what is not a Gemma 3 of supported types', () => {
  test.each(['llama', 'gemma3n', 'clip'])('is refused with its architecture: %s', async (architecture) => {
    const file = altered((parts) => set(parts, 'general.architecture', { type: 'string', value: architecture }));
    expect(await failure(file)).toEqual({
      code: 'not-gemma',
      message: `This model's architecture is "${architecture}"; Lapis runs "gemma3".`,
    });
  });

  test.each([
    [10, 'Q2_K'],
    [23, 'IQ4_XS'],
    [999, 'number 999'],
  ])('is refused with tensor and type: %i', async (typeId, typeName) => {
    const file = altered((parts) => {
      parts.tensors.find(({ name }) => name === 'blk.1.ffn_up.weight')!.typeId = typeId;
    });
    const { code, message } = await failure(file);
    expect(code).toBe('unsupported');
    expect(message).toContain(`The tensor blk.1.ffn_up.weight is of type ${typeName}`);
  });

  test('is refused with the tensor that Gemma does not have', async () => {
    const file = altered(({ tensors, data }) => {
      tensors.push({ name: 'blk.0.attn_q.bias', type: 'F32', shape: [256] });
      data.set('blk.0.attn_q.bias', new Uint8Array(1024));
    });
    expect(await failure(file)).toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('blk.0.attn_q.bias'),
    });
  });

  test('does not mind a vision tower, whatever its types', async () => {
    const file = altered(({ tensors, data }) => {
      tensors.push({ name: 'v.blk.0.attn_q.weight', type: 'F32', shape: [8], typeId: 10 });
      data.set('v.blk.0.attn_q.weight', new Uint8Array(32));
    });
    expect((await open(file)).tensors).toHaveLength(tinyGgufParts().tensors.length);
  });

  test('is refused with the tensor that is missing', async () => {
    const file = altered((parts) => {
      parts.tensors = parts.tensors.filter(({ name }) => name !== 'blk.1.attn_k_norm.weight');
    });
    expect(await failure(file)).toEqual({
      code: 'corrupt',
      message: 'The tensor blk.1.attn_k_norm.weight is missing.',
    });
  });
});

describe('a damaged file', () => {
  const whole = tinyGguf();

  test.each<[string, () => Uint8Array, string]>([
    ['empty', () => new Uint8Array(0), 'empty'],
    ['no GGUF', () => new TextEncoder().encode('<!doctype html><title>Not found</title>'), 'not a GGUF file'],
    ['version 1', () => tinyGguf(TINY_CONFIG, { version: 1 }), 'version 1'],
    ['big-endian', () => tinyGguf(TINY_CONFIG, { version: 0x0300_0000 }), 'big-endian'],
    ['an odd alignment', () => tinyGguf(TINY_CONFIG, { alignment: 48 }), 'general.alignment'],
  ])('is named: %s', async (_, make, named) => {
    expect((await failure(make())).message).toContain(named);
  });

  /** Little-endian u64 at `offset`. */
  function patched(offset: number, value: bigint): Uint8Array {
    const bytes = whole.slice();
    new DataView(bytes.buffer).setBigUint64(offset, value, true);
    return bytes;
  }

  test.each<[string, number, bigint]>([
    ['tensors', 8, 2n ** 40n],
    ['metadata entries', 16, 2n ** 63n],
    ['a metadata key', 24, 2n ** 60n],
  ])('costs no memory when it claims too many %s', async (what, offset, value) => {
    const { code, message } = await failure(patched(offset, value));
    expect(code).toBe('corrupt');
    expect(message).toContain(what);
    expect(message).toContain(String(value));
  });

  test('costs no memory when an array claims to be longer than the file', async () => {
    const at = Buffer.from(whole).indexOf('tokenizer.ggml.scores') + 'tokenizer.ggml.scores'.length + 8;
    const { message } = await failure(patched(at, 4_000_000n));
    expect(message).toContain('in the middle of its GGUF header');
  });

  test('is named when two of its tensors overlap', async () => {
    const table = Buffer.from(whole).indexOf('blk.0.attn_q.weight') + 'blk.0.attn_q.weight'.length;
    const { message } = await failure(patched(table + 4 + 16 + 4, 0n));
    expect(message).toMatch(/overlap/);
  });
});
