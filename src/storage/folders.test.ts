import type { Hash } from 'node:crypto';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { memorySource } from '../model/byte-source.ts';
import { storeGguf } from '../model/convert.ts';
import { RECIPE } from '../model/derived-norms.ts';
import { openGguf } from '../model/gguf.ts';
import { WEIGHTS_SCHEMA_VERSION } from '../model/schema-version.ts';
import { openShards } from '../model/shards.ts';
import type { ModelSource } from '../model/source.ts';
import { GEMMA_TERMS } from './catalogue.ts';
import type { StorageOptions } from './environment.ts';
import { ModelStore } from './model-store.ts';
import { directoryOf } from './record.ts';
import { failure } from './testing/failure.ts';
import { memoryDirectory } from './testing/memory-directory.ts';
import type { MemoryFileStore } from './testing/memory-file-store.ts';
import { memoryFileStore } from './testing/memory-file-store.ts';

const SHARD = 1024 * 1024;

let gguf: Uint8Array<ArrayBuffer>;
/** A folder of Hugging Face, with files of the goldens. */
let huggingFace: Map<string, Uint8Array<ArrayBuffer>>;

beforeAll(async () => {
  const file = async (path: string) =>
    new Uint8Array(await readFile(new URL(`../../tests/goldens/${path}`, import.meta.url)));
  gguf = await file('reference/small-Q8_0.gguf');
  const names = ['config.json', 'model.safetensors', 'tokenizer.model'];
  huggingFace = new Map(await Promise.all(names.map(async (name) => [name, await file(`data/tiny/${name}`)] as const)));
});

function openStore(files: MemoryFileStore, options: Partial<StorageOptions> = {}): Promise<ModelStore> {
  const packageUrl = (path: string) => `package:${path}`;
  return ModelStore.open({ files, packageUrl, shardBytes: SHARD, chunkBytes: 100_000, ...options });
}

/** A store with the golden in it, and its id. */
async function imported(files = memoryFileStore()): Promise<{ files: MemoryFileStore; store: ModelStore; id: string }> {
  const store = await openStore(files);
  const { id } = await store.importFile(new File([gguf], 'mine.gguf'));
  return { files, store, id };
}

/** The hash of every tensor's bytes by its name. */
async function weightsOf(source: ModelSource): Promise<Map<string, string>> {
  const tensors = new Map<string, Hash>();
  for await (const { tensor, bytes } of source.weights()) {
    const hash = tensors.get(tensor.name) ?? createHash('sha256');
    tensors.set(tensor.name, hash.update(bytes));
  }
  return new Map(Array.from(tensors, ([name, hash]) => [name, hash.digest('hex')]));
}

describe('a model as a folder', () => {
  test('is written as the command line writes one, and nothing else', async () => {
    const { store, id } = await imported();
    const folder = memoryDirectory('out');
    const progress: number[] = [];
    await store.exportTo(id, folder, { onProgress: (done) => progress.push(done) });
    const converted = new Map<string, Uint8Array>();
    const write = async (name: string, bytes: Uint8Array) => void converted.set(name, bytes.slice());
    const model = await openGguf(memorySource(gguf), { id });
    await storeGguf({ write, read: async () => memorySource(gguf) }, model, { modelId: id, shardBytes: SHARD });
    expect([...folder.contents.keys()].sort()).toEqual([...converted.keys()].sort());
    for (const [name, bytes] of converted) expect(Buffer.compare(folder.contents.get(name)!, bytes)).toBe(0);
    expect(progress.at(-1)).toBe(gguf.length);
  });

  test('is taken in elsewhere, whatever version made it, and every hash is checked', async () => {
    const { files, store, id } = await imported();
    const folder = memoryDirectory('out');
    await store.exportTo(id, folder);
    const manifest = JSON.parse(new TextDecoder().decode(folder.contents.get('manifest.json')));
    manifest.schemaVersion = 999;
    folder.contents.set('manifest.json', new TextEncoder().encode(JSON.stringify(manifest)));

    const elsewhere = await openStore(memoryFileStore());
    const record = await elsewhere.importFolder(folder);
    expect(record).toMatchObject({
      id: 'folder:mine',
      name: 'mine',
      origin: { kind: 'folder', name: 'out', verbatim: true },
      sha256: store.record(id)?.sha256,
    });
    const before = await store.load(id, weightsOf);
    expect(await elsewhere.load(record.id, weightsOf)).toEqual(before);
    expect(files.contents.has(directoryOf(id))).toBe(true);

    folder.contents.get('shard-00001.bin')![77] ^= 1;
    const third = memoryFileStore();
    const error = await failure((await openStore(third)).importFolder(folder));
    expect(error).toMatchObject({
      code: 'corrupt',
      message: 'The folder is damaged: shard-00001.bin does not have its SHA-256.',
    });
    expect(third.contents.size).toBe(0);
    folder.contents.delete('shard-00001.bin');
    expect((await failure((await openStore(third)).importFolder(folder))).message).toBe(
      'The folder is damaged: shard-00001.bin is missing.',
    );
  });

  test.each(['manifest.json', 'shard-00001.bin'])('is named when its %s cannot be read', async (name) => {
    const { store, id } = await imported();
    const folder = memoryDirectory('out');
    await store.exportTo(id, folder);
    const { getFileHandle } = folder;
    folder.getFileHandle = async (...args) => {
      const handle = await getFileHandle(...args);
      const file = await handle.getFile();
      file.slice = () => ({ arrayBuffer: () => Promise.reject(new DOMException('No.', 'NotReadableError')) }) as never;
      return args[0] === name ? Object.assign(handle, { getFile: async () => file }) : handle;
    };
    expect(await failure((await openStore(memoryFileStore())).importFolder(folder))).toMatchObject({
      code: 'bad-request',
      message: expect.stringMatching(`^The file ${name} of the folder out could not be read`),
    });
  });

  test('is not written over another, nor from a damaged copy', async () => {
    const { files, store, id } = await imported();
    const folder = memoryDirectory('out');
    await store.exportTo(id, folder);
    expect(await failure(store.exportTo(id, folder))).toMatchObject({
      code: 'bad-request',
      message: 'The folder out holds a model already: choose an empty one.',
    });
    files.contents.get(directoryOf(id))!.get('shard-00001.bin')![5] ^= 1;
    const empty = memoryDirectory('empty');
    expect(await failure(store.exportTo(id, empty))).toMatchObject({ code: 'corrupt' });
    expect(empty.contents.has('manifest.json')).toBe(false);
  });

  test('of Hugging Face is quantized; under another version it is deleted, since only the person has it', async () => {
    const files = memoryFileStore();
    const store = await openStore(files);
    const record = await store.importFolder(memoryDirectory('gemma', huggingFace));
    expect(record).toMatchObject({ id: 'folder:gemma', origin: { kind: 'folder', name: 'gemma', verbatim: false } });
    expect(record.summary?.types.map(({ type }) => type)).toContain('F32');
    expect((await store.load(record.id, weightsOf)).size).toBeGreaterThan(10);

    // What it became can be carried on as a folder too.
    const folder = memoryDirectory('out');
    await store.exportTo(record.id, folder);
    const elsewhere = await openStore(memoryFileStore());
    expect(await elsewhere.importFolder(folder)).toMatchObject({ manifestSha256: record.manifestSha256 });

    const next = await openStore(files, { recipe: { ...RECIPE, schemaVersion: 77 } });
    expect(next.records()).toEqual([]);
    expect(next.notices).toHaveLength(1);
    expect(next.notices[0]).toMatch(
      new RegExp(
        `^The stored copy of gemma was made under weights version ${WEIGHTS_SCHEMA_VERSION}, and this Lapis reads version 77: it was deleted, which freed .*B\\. Choose its folder again in the settings; nothing needs to be downloaded\\.$`,
      ),
    );
    expect(files.contents.size).toBe(0);
  });

  test('of neither kind, or with a broken manifest, is refused in a sentence', async () => {
    const store = await openStore(memoryFileStore());
    expect(await failure(store.importFolder(memoryDirectory('photos')))).toMatchObject({
      code: 'bad-request',
      message:
        'The folder photos holds no model: it has neither manifest.json (shards) nor config.json (Hugging Face).',
    });
    const broken = memoryDirectory('broken', new Map([['manifest.json', new TextEncoder().encode('{"shards": [')]]));
    expect((await failure(store.importFolder(broken))).message).toBe("The folder's manifest.json is damaged.");
    const evil = { modelId: 'x', source: { kind: 'gguf' }, shards: [{ file: '../../x', bytes: 1, sha256: '' }] };
    broken.contents.set('manifest.json', new TextEncoder().encode(JSON.stringify(evil)));
    expect((await failure(store.importFolder(broken))).message).toBe("The folder's manifest.json is damaged.");
  });
});

describe('a published model as a folder', () => {
  const URL_OF_MODEL = 'https://models.example/resolve/1/small.gguf';
  const hub: StorageOptions['fetch'] = async (_, init) => {
    const [, from, to] = /(\d+)-(\d*)/.exec(new Headers(init?.headers).get('range') ?? '') ?? [];
    return new Response(gguf.slice(Number(from), to ? Number(to) + 1 : undefined), { status: 206 });
  };
  /** An exported folder of a model that was downloaded; its origin may be written over. */
  async function exported(change: Record<string, unknown> = {}) {
    const store = await openStore(memoryFileStore(), { fetch: hub });
    const sha256 = createHash('sha256').update(gguf).digest('hex');
    const origin = { kind: 'url' as const, url: URL_OF_MODEL, sha256 };
    await store.download({ id: 'small', name: 'Small', bytes: gguf.length, license: GEMMA_TERMS, origin });
    const folder = memoryDirectory('out');
    await store.exportTo('small', folder);
    const written = JSON.parse(new TextDecoder().decode(folder.contents.get('origin.json')));
    expect(written).toEqual({ url: URL_OF_MODEL, sha256 });
    folder.contents.set('origin.json', new TextEncoder().encode(JSON.stringify({ ...written, ...change })));
    return { folder, origin };
  }

  test('is repaired elsewhere from where it was published', async () => {
    const { folder, origin } = await exported();
    const files = memoryFileStore();
    const store = await openStore(files, { fetch: hub });
    const record = await store.importFolder(folder);
    expect(record).toMatchObject({ id: 'folder:small', origin });
    files.contents.get(directoryOf(record.id))!.get('shard-00001.bin')![5] ^= 1;
    expect(await store.verify(record.id)).toMatchObject({
      repaired: ['A damaged part of small (shard-00001.bin) was found and repaired from models.example.'],
    });
    // It may be carried on.
    const next = memoryDirectory('next');
    await store.exportTo(record.id, next);
    expect(next.contents.has('origin.json')).toBe(true);
  });

  test.each([
    ['of other bytes', { sha256: '0'.repeat(64) }],
    ['without https', { url: 'http://localhost/small.gguf' }],
    ['of another kind', { url: 'file:///small.gguf' }],
    ['with a password', { url: 'https://me:secret@models.example/small.gguf' }],
    ['that is no address', { url: 'owner/repository/small.gguf' }],
    ['too long', { url: `https://models.example/${'x'.repeat(3000)}` }],
    ['that is no text', { url: 7 }],
    ['without a hash', { sha256: undefined }],
  ])('with an origin %s is its own source', async (_, change) => {
    const { folder } = await exported(change);
    const record = await (await openStore(memoryFileStore())).importFolder(folder);
    expect(record.origin).toEqual({ kind: 'folder', name: 'out', verbatim: true });
  });
});

describe('a file from disk', () => {
  test('chosen again puts back only what is damaged, and is not stored anew', async () => {
    const { files, store, id } = await imported();
    const before = store.record(id);
    const folder = files.contents.get(directoryOf(id))!;
    const whole = folder.get('shard-00000.bin');
    folder.get('shard-00001.bin')![5] ^= 1;
    folder.delete('shard-00002.bin');
    const sentence = (file: string) => `A part of mine (${file}) is damaged: choose its file again in the settings.`;
    expect(await store.verify(id)).toEqual({
      damaged: [sentence('shard-00001.bin'), sentence('shard-00002.bin')],
      repaired: [],
    });
    expect(await store.importFile(new File([gguf], 'mine.gguf'))).toEqual(before);
    expect(await store.verify(id)).toEqual({ damaged: [], repaired: [] });
    // The very same bytes in memory: it was not written again.
    expect(files.contents.get(directoryOf(id))?.get('shard-00000.bin')).toBe(whole);
  });

  test('of the same name with another content takes the place of the one before', async () => {
    const { store, id } = await imported();
    const other = gguf.slice();
    other[other.length - 1] ^= 1;
    const record = await store.importFile(new File([other], 'mine.gguf'));
    expect(record.id).toBe(id);
    expect(store.record(id)?.sha256).toBe(record.sha256);
    expect((await store.verify(id)).damaged).toEqual([]);
  });

  test('has a name of bounded length without characters that are not seen, and different names stay different', async () => {
    const store = await openStore(memoryFileStore());
    const names = ['../../etc/\u0000passwd\u202egguf.gguf', `${'x'.repeat(5000)}.gguf`, `${'x'.repeat(5001)}.gguf`];
    for (const name of names) await store.importFile(new File([gguf], name));
    const records = store.records();
    expect(records).toHaveLength(3);
    for (const { id, name } of records) {
      expect(id.length).toBeLessThan(150);
      expect(`${id}${name}`).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      expect(directoryOf(id)).toMatch(/^[0-9a-f]{24}$/);
    }
  });
});

test('norms of the exported model are those that are used', async () => {
  const { files, store, id } = await imported();
  const raw = await weightsOf(
    await openShards({
      write: async () => {},
      read: async (name) => memorySource(files.contents.get(directoryOf(id))!.get(name)!),
    }),
  );
  expect(await store.load(id, weightsOf)).toEqual(raw);
});
