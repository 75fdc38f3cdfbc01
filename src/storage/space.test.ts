import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { LapisError } from '../protocol/errors.ts';
import { GEMMA_TERMS } from './catalogue.ts';
import { ModelStore } from './model-store.ts';
import { directoryOf } from './record.ts';
import { ggufSpace } from './space.ts';
import { memoryDirectory } from './testing/memory-directory.ts';
import type { MemoryFileStore } from './testing/memory-file-store.ts';
import { memoryFileStore } from './testing/memory-file-store.ts';

const ID = 'file:mine.gguf';

let gguf: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  gguf = new Uint8Array(await readFile(new URL('../../tests/goldens/reference/small-Q8_0.gguf', import.meta.url)));
});

const openStore = (files: MemoryFileStore, fetch?: typeof globalThis.fetch) =>
  ModelStore.open({ files, packageUrl: (path) => path, shardBytes: 1_000_000, chunkBytes: 500_000, fetch });

/** The golden, or another of its size. */
const fileOf = (last = 0) => {
  const bytes = gguf.slice();
  bytes[bytes.length - 1] ^= last;
  return new File([bytes], 'mine.gguf');
};

const failure = async (work: Promise<unknown>): Promise<LapisError> => LapisError.from(await work.catch((e) => e));

test('a model needs room for all that is written beside it', async () => {
  expect(ggufSpace(806_058_240)).toBe(822_058_240);
  expect(ggufSpace(8_000)).toBe(16_000);
  // This store gives nothing back for what is deleted, so what is derived comes on top of the beginning.
  await (await openStore(memoryFileStore(ggufSpace(gguf.length) + 100_000))).importFile(fileOf());
  const error = await failure((await openStore(memoryFileStore(gguf.length + 1_000))).importFile(fileOf()));
  expect(error).toMatchObject({ code: 'quota', message: 'mine needs 12 MB, but the browser has only 6.2 MB left.' });
});

describe('what would take the place of an older copy', () => {
  test('may use its space', async () => {
    const files = memoryFileStore();
    const store = await openStore(files);
    const before = await store.importFile(fileOf());
    files.free = 7_000_000;
    const { removeDirectory } = files;
    files.removeDirectory = async (directory) => {
      if (files.contents.has(directory)) files.free = 13_000_000;
      await removeDirectory(directory);
    };
    expect((await store.importFile(fileOf(1))).sha256).not.toBe(before.sha256);
  });

  test('leaves it where it is when there is no room even so', async () => {
    const files = memoryFileStore();
    const store = await openStore(files);
    const before = await store.importFile(fileOf());
    const folder = memoryDirectory('mine');
    await store.exportTo(ID, folder);
    const [name, bytes] = [...folder.contents].find(([name]) => name.startsWith('shard-'))!;
    expect(bytes.length).toBeGreaterThan(0);

    files.free = 100;
    const larger = new File([gguf, new Uint8Array(2_000_000)], 'mine.gguf');
    const error = await failure(store.importFile(larger));
    expect(error).toMatchObject({ code: 'quota', message: expect.stringMatching(/^mine needs 16 MB, but/) });
    expect(store.record(ID)).toEqual(before);
    expect(files.contents.get(directoryOf(ID))?.get(name)?.length).toBe(bytes.length);
    expect((await openStore(files)).record(ID)).toEqual(before);
  });

  test('leaves the packaged model where it is', async () => {
    const made = memoryFileStore();
    await (await openStore(made)).importFile(fileOf());
    const folder = made.contents.get(directoryOf(ID))!;
    const fetch = async (url: unknown) => new Response(folder.get(String(url).split('/').at(-1)!));
    const origin = { kind: 'package' as const, path: 'models/demo' };
    const demo = { id: 'demo', name: 'Demo', bytes: 0, license: GEMMA_TERMS, origin };
    const files = memoryFileStore();
    const store = await openStore(files, fetch);
    const before = await store.ensurePackaged(demo);
    const manifest = JSON.parse(new TextDecoder().decode(folder.get('manifest.json')));
    folder.set('manifest.json', new TextEncoder().encode(`${JSON.stringify(manifest)}${' '.repeat(2_000_000)}`));
    files.free = 100;
    expect(await failure(store.ensurePackaged(demo))).toMatchObject({ code: 'quota' });
    expect(store.record('demo')).toEqual(before);
    expect((await openStore(files, fetch)).record('demo')).toEqual(before);
  });
});

test('an import whose disk gives up in the middle says what it needs, and makes room', async () => {
  const files = memoryFileStore();
  const store = await openStore(files);
  const error = await failure(
    store.importFile(fileOf(), {
      onProgress: (done) => {
        if (done > 3_000_000) files.free = Math.min(files.free ?? 50_000, 50_000);
      },
    }),
  );
  expect(error.code).toBe('quota');
  expect(error.message).toMatch(/^The disk is full\. mine needs 12 MB, and the browser has [\d.]+ .?B left\.$/);
  expect(files.contents.size).toBe(0);
});
