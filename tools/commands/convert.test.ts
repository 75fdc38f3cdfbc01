import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { WEIGHTS_SCHEMA_VERSION } from '../../src/model/schema-version.ts';
import { TINY_CONFIG, tinyGguf, tinyHuggingFace } from '../../tests/fixtures/tiny-model.ts';
import { openModel } from '../model-files.ts';
import { UsageError } from '../usage-error.ts';
import { run as convert } from './convert.ts';
import { run as inspect } from './inspect.ts';

let folder: string;
let written: { out: string; err: string };
const context = { signal: new AbortController().signal };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lapis-convert-'));
  written = { out: '', err: '' };
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written.out += text;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    written.err += text;
    return true;
  });
});

afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

async function huggingFaceFolder(): Promise<string> {
  const path = join(folder, 'checkpoint');
  await mkdir(path);
  for (const [name, bytes] of tinyHuggingFace()) await writeFile(join(path, name), bytes);
  return path;
}

async function ggufPath(): Promise<string> {
  const path = join(folder, 'tiny-Q4_K.gguf');
  await writeFile(path, tinyGguf());
  return path;
}

describe('convert', () => {
  test('keeps a GGUF as it is', async () => {
    const [source, out] = [await ggufPath(), join(folder, 'out')];
    await convert([source, out], context);
    expect((await readdir(out)).toSorted()).toEqual(['manifest.json', 'shard-00000.bin']);
    const shard = await readFile(join(out, 'shard-00000.bin'));
    expect(shard.equals(await readFile(source))).toBe(true);
    const manifest = JSON.parse(await readFile(join(out, 'manifest.json'), 'utf8'));
    expect(manifest).toMatchObject({ modelId: 'tiny-Q4_K', schemaVersion: WEIGHTS_SCHEMA_VERSION, norm: 'effective' });
    expect(manifest.source.sha256).toBe(createHash('sha256').update(shard).digest('hex'));
    expect(written.out).toBe('');
    expect(written.err).toContain('tiny-Q4_K');
    expect((await openModel(out)).config).toEqual(TINY_CONFIG);
  });

  test('quantizes a Hugging Face folder, q4_k_m unless told otherwise', async () => {
    const source = await huggingFaceFolder();
    await mkdir(join(folder, 'empty'));
    await convert([source, join(folder, 'empty'), '--model-id', 'mine', '--verbose'], context);
    expect(written.err).toContain('blk.0.attn_q.weight [256, 256] BF16 → Q4_K, 36864 bytes');
    const model = await openModel(join(folder, 'empty'));
    expect(model.id).toBe('mine');
    expect(model.tensors[0]).toMatchObject({ name: 'token_embd.weight', type: 'Q6_K' });
    await convert([source, join(folder, 'out'), '--quantize', 'q8_0'], context);
    expect((await openModel(join(folder, 'out'))).tensors[0].type).toBe('Q8_0');
  });

  test.each([
    [[], 'SRC and OUT'],
    [['a'], 'SRC and OUT'],
    [['a', 'b', 'c'], 'SRC and OUT'],
    [['a', 'b', '--quantize', 'q2_k'], 'q2_k is not one of'],
    [['a', 'b', '--model-id', ''], '--model-id'],
  ])('calls %j wrong usage', async (args, named) => {
    const error = await convert(args, context).catch((reason) => reason);
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toContain(named);
  });

  test('calls --quantize with a GGUF wrong usage, and writes nothing', async () => {
    const work = convert([await ggufPath(), join(folder, 'out'), '--quantize', 'q8_0'], context);
    await expect(work).rejects.toBeInstanceOf(UsageError);
    expect(existsSync(join(folder, 'out'))).toBe(false);
  });

  test('refuses a folder that is not empty, and leaves it alone', async () => {
    await mkdir(join(folder, 'out'));
    await writeFile(join(folder, 'out', 'mine.txt'), 'precious');
    await expect(convert([await ggufPath(), join(folder, 'out')], context)).rejects.toThrow('is not empty.');
    expect(await readdir(join(folder, 'out'))).toEqual(['mine.txt']);
    await expect(convert([await ggufPath(), join(folder, 'out', 'mine.txt')], context)).rejects.toThrow('not a folder');
  });

  test('leaves nothing behind when it fails in the middle or is cancelled', async () => {
    const source = await huggingFaceFolder();
    const out = join(folder, 'out');
    const controller = new AbortController();
    const work = convert([source, out, '--quantize', 'q8_0'], { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    await expect(work).rejects.toMatchObject({ code: 'aborted' });
    expect(existsSync(out)).toBe(false);

    const weights = await readFile(join(source, 'model.safetensors'));
    // NaN in the last weights.
    weights.fill(0xff, weights.length - 4096);
    await writeFile(join(source, 'model.safetensors'), weights);
    await mkdir(out);
    await expect(convert([source, out], context)).rejects.toMatchObject({ code: 'corrupt' });
    expect(await readdir(out)).toEqual([]);
  });

  test('names what is no model', async () => {
    await mkdir(join(folder, 'nothing'));
    await writeFile(join(folder, 'page.gguf'), '<!doctype html>');
    const out = join(folder, 'out');
    await expect(convert([join(folder, 'absent.gguf'), out], context)).rejects.toThrow(
      /There is no model at .*absent.gguf/,
    );
    await expect(convert([join(folder, 'nothing'), out], context)).rejects.toThrow(/holds no model/);
    await expect(convert([join(folder, 'page.gguf'), out], context)).rejects.toThrow('not a GGUF file');
    await convert([await ggufPath(), out], context);
    await expect(convert([out, join(folder, 'again')], context)).rejects.toThrow('is a shard folder already');
  });
});

interface Inspected {
  config: object;
  tokenizer: object;
  norms: { name: string; source: string }[];
}

describe('inspect', () => {
  async function inspected(path: string): Promise<Inspected> {
    written.out = '';
    await inspect([path, '--json'], context);
    return JSON.parse(written.out);
  }

  test('says the same of a checkpoint, its GGUF and their shards, but for where the +1 was', async () => {
    const [checkpoint, gguf] = [await huggingFaceFolder(), await ggufPath()];
    await convert([checkpoint, join(folder, 'converted')], context);
    await convert([gguf, join(folder, 'kept')], context);
    const results = [
      await inspected(checkpoint),
      await inspected(join(folder, 'converted')),
      await inspected(gguf),
      await inspected(join(folder, 'kept')),
    ];
    const [first] = results;
    expect(first).toMatchObject({
      architecture: 'gemma3',
      config: TINY_CONFIG,
      tokenizer: { type: 'sentencepiece-bpe', size: 320, bos: 2, eos: 1 },
      schemaVersion: WEIGHTS_SCHEMA_VERSION,
    });
    expect(Object.keys(first)).toEqual(['architecture', 'config', 'tensors', 'tokenizer', 'schemaVersion', 'norms']);
    expect(Object.keys(first.norms[0])).toEqual(['name', 'source', 'mean', 'min', 'max']);
    expect(results.map(({ norms }) => norms[0].source)).toEqual(['w', 'w', '1+w', '1+w']);
    const factors = (result: (typeof results)[0]): object[] => result.norms.map(({ source: _, ...rest }) => rest);
    for (const result of results) {
      expect(result.config).toEqual(first.config);
      expect(result.tokenizer).toEqual(first.tokenizer);
      expect(factors(result)).toEqual(factors(first));
    }
    expect(first.norms).toHaveLength(13);
  });

  test('prints text without --json', async () => {
    await inspect([await ggufPath()], context);
    expect(written.out).toContain('architecture: gemma3');
    expect(written.out).toContain('blk.0.attn_q.weight Q4_0 [256, 256] 36864');
    expect(written.out).toContain('13 norms, stored as 1+w');
  });

  test('finds a flipped bit in a shard', async () => {
    const out = join(folder, 'kept');
    await convert([await ggufPath(), out], context);
    const shard = await readFile(join(out, 'shard-00000.bin'));
    shard[shard.length >> 1] ^= 1;
    await writeFile(join(out, 'shard-00000.bin'), shard);
    await expect(inspect([out], context)).rejects.toThrow('shard-00000.bin is damaged');
  });

  test('takes one model', async () => {
    await expect(inspect([], context)).rejects.toBeInstanceOf(UsageError);
    await expect(inspect(['a', 'b'], context)).rejects.toBeInstanceOf(UsageError);
  });
});
