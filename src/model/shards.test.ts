import { describe, expect, test } from 'vitest';
import { memoryShards, TINY_CONFIG, TINY_TOKENIZER, tinyGguf } from '../../tests/fixtures/tiny-model.ts';
import { gemma3Metadata, ggufHeader } from '../../tools/gguf-writer.ts';
import { LapisError } from '../protocol/errors.ts';
import { memorySource } from './byte-source.ts';
import { cutBytes } from './chunks.ts';
import { storeGguf } from './convert.ts';
import { expectedTensors } from './gemma3-tensors.ts';
import { openGguf } from './gguf.ts';
import { MANIFEST_FILE, type Manifest, parseManifest } from './manifest.ts';
import { isNorm } from './norm.ts';
import { WEIGHTS_SCHEMA_VERSION } from './schema-version.ts';
import type { StartDigests } from './shards.ts';
import { joinedShards, openShards, planShards, readManifest, sha256Hex, writeShards } from './shards.ts';
import type { ModelSource } from './source.ts';

const SHARD_BYTES = 100_000;
const file = tinyGguf();
const model = await openGguf(memorySource(file), { id: 'tiny' });

async function stored(): Promise<ReturnType<typeof memoryShards>> {
  const folder = memoryShards();
  await storeGguf(folder, model, { modelId: 'tiny', shardBytes: SHARD_BYTES });
  return folder;
}

async function collect(source: ModelSource): Promise<Map<string, Uint8Array>> {
  const all = new Map<string, Uint8Array>();
  const ends = new Map<string, number>();
  for await (const { tensor, offset, bytes } of source.weights()) {
    expect(offset).toBe(ends.get(tensor.name) ?? 0);
    expect(offset % cutBytes(tensor)).toBe(0);
    ends.set(tensor.name, offset + bytes.length);
    const whole = all.get(tensor.name) ?? new Uint8Array(tensor.bytes);
    whole.set(bytes, offset);
    all.set(tensor.name, whole);
  }
  for (const { name, bytes } of source.tensors) expect(ends.get(name)).toBe(bytes);
  return all;
}

async function failure(work: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(LapisError);
  return { code: error.code, message: error.message };
}

async function drain(source: ModelSource): Promise<void> {
  for await (const _ of source.weights());
}

describe('the plan', () => {
  test('covers the file without gap or overlap, within the limit, and cuts between rows', () => {
    const { shards, tensors } = planShards({ bytes: file.length, tensors: model.tensors }, SHARD_BYTES);
    expect(shards.length).toBeGreaterThan(5);
    let end = 0;
    for (const { start, bytes } of shards) {
      expect(start).toBe(end);
      expect(bytes).toBeLessThanOrEqual(SHARD_BYTES);
      end = start + bytes;
    }
    expect(end).toBe(file.length);
    expect(tensors.some(({ parts }) => parts.length > 1)).toBe(true);
    tensors.forEach(({ name, parts }, i) => {
      const tensor = model.tensors[i];
      expect(tensor.name).toBe(name);
      expect(parts.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(tensor.bytes);
      expect(shards[parts[0].shard].start + parts[0].offset).toBe(tensor.fileOffset);
      for (const { bytes } of parts.slice(0, -1)) expect(bytes % cutBytes(tensor)).toBe(0);
    });
  });

  test.each([1500, 2000, 4096, 50_001])('fits together at %i bytes a shard', async (limit) => {
    const { shards } = planShards({ bytes: file.length, tensors: model.tensors }, limit);
    expect(shards.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(file.length);
    expect(Math.max(...shards.map(({ bytes }) => bytes))).toBeLessThanOrEqual(limit);
  });

  test('refuses rows that fit into no shard', () => {
    expect(() => planShards({ bytes: file.length, tensors: model.tensors }, 300)).toThrow('does not fit into a shard');
  });
});

test('a file of the size of the 1B is planned from its header alone', async () => {
  const config = {
    ...TINY_CONFIG,
    hiddenSize: 1152,
    feedForwardSize: 6912,
    layerCount: 26,
    kvHeadCount: 1,
    headDim: 256,
    queryScale: 0.0625,
    vocabularySize: 262_144,
  };
  const tensors = Array.from(expectedTensors(config), ([name, shape]) => ({
    name,
    shape,
    type: isNorm(name) ? ('F32' as const) : ('Q5_0' as const),
  }));
  const fill = Array.from({ length: 262_144 - 320 }, (_, i) => `▁piece${i}`);
  const tokenizer = {
    ...TINY_TOKENIZER,
    tokens: [...TINY_TOKENIZER.tokens, ...fill],
    scores: [...TINY_TOKENIZER.scores, ...fill.map((_, i) => -100 - i)],
    types: [...TINY_TOKENIZER.types, ...fill.map(() => 1)],
  };
  const { header, bytes } = ggufHeader(gemma3Metadata(config, tokenizer, 'large'), tensors);
  let read = 0;
  const opened = await openGguf(
    {
      size: bytes,
      async read(offset, length) {
        read += length;
        const result = new Uint8Array(length);
        result.set(header.subarray(offset, offset + length));
        return result;
      },
    },
    { id: 'large' },
  );
  expect(opened.tokenizer).toEqual(tokenizer);
  expect(read).toBeLessThan(16 * 1024 * 1024);
  const { shards } = planShards({ bytes, tensors: opened.tensors });
  expect(shards).toHaveLength(Math.ceil(bytes / (64 * 1024 * 1024)));
  for (const shard of shards) expect(shard.bytes).toBeLessThanOrEqual(64 * 1024 * 1024);
});

describe('a stored GGUF', () => {
  test('is the published file again when its shards are joined', async () => {
    const folder = await stored();
    const manifest = await readManifest(folder);
    const joined = joinedShards(folder, manifest.shards);
    const bytes = await joined.read(0, joined.size);
    expect(Buffer.compare(bytes, file)).toBe(0);
    expect(manifest.source).toEqual({ kind: 'gguf', bytes: file.length, sha256: await sha256Hex(file) });
    for (const { file: name, sha256 } of manifest.shards) {
      expect(await sha256Hex(new Uint8Array(folder.files.get(name)!))).toBe(sha256);
    }
    const again = await openGguf(joined, { id: 'tiny' });
    expect(again.config).toEqual(TINY_CONFIG);
  });

  test('yields what the file yields', async () => {
    const opened = await openShards(await stored());
    expect(opened.config).toEqual(model.config);
    expect(opened.tokenizer).toEqual(model.tokenizer);
    expect(opened.normSource).toBe('1+w');
    const shards = await collect(opened);
    for (const [name, bytes] of await collect(model)) expect(Buffer.compare(shards.get(name)!, bytes), name).toBe(0);
  });

  test('is not served to its end when a bit of any shard has flipped, and the shard is named', async () => {
    const folder = await stored();
    const { shards } = await readManifest(folder);
    for (const { file: name, bytes } of shards) {
      const shard = folder.files.get(name)!;
      shard[bytes >> 1] ^= 4;
      const { code, message } = await failure(drain(await openShards(folder)));
      expect(code).toBe('corrupt');
      expect(message).toContain(name);
      shard[bytes >> 1] ^= 4;
    }
    await drain(await openShards(folder));
  });

  test('is hashed beside what follows, in buffers that are used again, and the hashing ends with it', async () => {
    const folder = await stored();
    const { shards } = await readManifest(folder);
    const buffers = new Set<ArrayBufferLike>();
    let [underWay, most, closed] = [0, 0, 0];
    const startDigests: StartDigests = () => ({
      width: 3,
      async hex(bytes) {
        underWay++;
        most = Math.max(most, underWay);
        const copy = bytes.slice();
        buffers.add(bytes.buffer);
        // As one that has been given to a worker.
        bytes.fill(0);
        await new Promise((resolve) => setTimeout(resolve, 1));
        underWay--;
        return { sha256: await sha256Hex(copy), bytes: new Uint8Array(bytes.buffer) };
      },
      close: () => void closed++,
    });
    const opened = await openShards(folder, undefined, startDigests);
    const expected = await collect(model);
    for (const [name, bytes] of await collect(opened)) expect(Buffer.compare(bytes, expected.get(name)!), name).toBe(0);
    expect([most, buffers.size <= 4, closed]).toEqual([3, true, 1]);
    for (const [index, { file: name, bytes }] of shards.entries()) {
      folder.files.get(name)![bytes >> 1] ^= 4;
      expect((await failure(drain(opened))).message).toContain(name);
      expect(closed).toBe(index + 2);
      folder.files.get(name)![bytes >> 1] ^= 4;
    }
    for await (const _ of opened.weights()) break;
    expect(closed).toBe(shards.length + 2);
  });

  test('is not served when a shard is short or missing', async () => {
    const folder = await stored();
    const shard = folder.files.get('shard-00001.bin')!;
    folder.files.set('shard-00001.bin', shard.subarray(1));
    expect((await failure(drain(await openShards(folder)))).message).toMatch(
      /^shard-00001.bin has \d+ bytes instead of/,
    );
    folder.files.delete('shard-00001.bin');
    expect((await failure(drain(await openShards(folder)))).message).toContain('shard-00001.bin');
  });

  test('is no model when it was cancelled, because its manifest is written last', async () => {
    const folder = memoryShards();
    const controller = new AbortController();
    const work = storeGguf(folder, model, {
      modelId: 'tiny',
      shardBytes: SHARD_BYTES,
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    expect((await failure(work)).code).toBe('aborted');
    expect(folder.files.size).toBeGreaterThan(0);
    expect(folder.files.has(MANIFEST_FILE)).toBe(false);
    expect((await failure(openShards(folder))).code).toBe('corrupt');
  });

  test('is no model when the disk was full in the middle', async () => {
    const folder = memoryShards();
    const { write } = folder;
    folder.write = async (name, bytes) => {
      if (name === 'shard-00003.bin') throw new LapisError('quota', 'The disk is full.');
      return write(name, bytes);
    };
    const work = storeGguf(folder, model, { modelId: 'tiny', shardBytes: SHARD_BYTES });
    expect((await failure(work)).code).toBe('quota');
    expect([...folder.files.keys()]).toEqual(['shard-00000.bin', 'shard-00001.bin', 'shard-00002.bin']);
  });
});

describe('writing', () => {
  const plan = {
    shards: [0, 1, 2].map((i) => ({ file: `shard-0000${i}.bin`, start: 10 * i, bytes: 10 })),
    tensors: [],
  };
  async function* pieces(...lengths: number[]): AsyncGenerator<Uint8Array> {
    let value = 0;
    for (const length of lengths) yield Uint8Array.from({ length }, () => value++);
  }

  test('cuts pieces of any length', async () => {
    const folder = memoryShards();
    const seen: number[] = [];
    const shards = await writeShards(folder, plan, pieces(3, 0, 20, 7), {
      onShard: (written) => void seen.push(written.length - 1),
    });
    expect(seen).toEqual([0, 1, 2]);
    expect(shards.map(({ bytes }) => bytes)).toEqual([10, 10, 10]);
    expect([...folder.files.values()].flatMap((bytes) => [...bytes])).toEqual(Array.from({ length: 30 }, (_, i) => i));
  });

  test('refuses a stream that is too short or too long', async () => {
    expect((await failure(writeShards(memoryShards(), plan, pieces(29)))).message).toContain('shard 2 of 3');
    expect((await failure(writeShards(memoryShards(), plan, pieces(31)))).message).toContain('more bytes');
  });

  test('stops when its signal fires', async () => {
    const signal = AbortSignal.abort();
    expect((await failure(writeShards(memoryShards(), plan, pieces(30), { signal }))).code).toBe('aborted');
  });
});

describe('a manifest', () => {
  let manifest: Manifest;

  /** The manifest with one change. */
  async function changed(change: (copy: Manifest) => void): Promise<Manifest> {
    manifest ??= await readManifest(await stored());
    const copy = structuredClone(manifest);
    change(copy);
    return copy;
  }

  test('comes back from JSON as it was', async () => {
    const copy = await changed(() => undefined);
    expect(parseManifest(JSON.parse(JSON.stringify(copy)))).toEqual(copy);
  });

  test.each([WEIGHTS_SCHEMA_VERSION - 1, WEIGHTS_SCHEMA_VERSION + 1])(
    'of schema version %i is stale',
    async (version) => {
      const copy = { schemaVersion: version, whatever: 'it holds' };
      expect(await failure((async () => parseManifest(copy))())).toEqual({
        code: 'stale',
        message: expect.stringContaining(`schema version ${version}`),
      });
    },
  );

  test.each<[string, (copy: Manifest) => void, string]>([
    ['a path for a file name', (m) => (m.shards[0].file = '../shard-00000.bin'), 'shards.0.file'],
    ['shards out of order', (m) => (m.shards[0].file = 'shard-00001.bin'), 'shard 0 is called'],
    ['a huge shard', (m) => (m.shards[1].bytes = 2 ** 40), 'shards.1.bytes'],
    ['a hash in capitals', (m) => (m.shards[1].sha256 = 'A'.repeat(64)), 'shards.1.sha256'],
    ['another norm rule', (m) => ((m.norm as string) = 'raw'), 'norm'],
    ['a part outside its shard', (m) => (m.tensors[3].parts[0].offset = SHARD_BYTES), 'outside its shard'],
    ['a part in no shard', (m) => (m.tensors[3].parts[0].shard = 999), 'outside its shard'],
    ['too few bytes', (m) => m.tensors.find(({ parts }) => parts.length > 1)!.parts.pop(), 'bytes instead of'],
    ['an unknown type', (m) => ((m.tensors[3].type as string) = 'Q2_K'), 'tensors.3.type'],
    ['another shape', (m) => m.tensors[3].shape.reverse().push(1), 'the configuration needs'],
    ['a missing tensor', (m) => m.tensors.pop(), 'is missing'],
    ['an impossible config', (m) => (m.config.headDim = 0), 'headDim'],
    ['a short vocabulary', (m) => m.tokenizer.tokens.pop(), '319 tokens'],
    ['pieces that are no texts', (m) => ((m.tokenizer.tokens[5] as unknown) = 7), 'tokenizer.tokens'],
  ])('with %s is refused', async (_, change, named) => {
    const { code, message } = await failure(changed(change).then(parseManifest));
    expect(code).toBe('corrupt');
    expect(message).toContain(named);
  });

  test.each(['', 'null', '[]', '{"schemaVersion":1', '<html>'])('that is %j is refused', async (text) => {
    const folder = memoryShards(new Map([[MANIFEST_FILE, new TextEncoder().encode(text)]]));
    expect((await failure(openShards(folder))).message).toContain('The manifest is damaged');
  });
});
