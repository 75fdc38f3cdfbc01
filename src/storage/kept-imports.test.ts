import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { RECIPE } from '../model/derived-norms.ts';
import type { StorageOptions } from './environment.ts';
import { ModelStore } from './model-store.ts';
import { directoryOf } from './record.ts';
import { memoryDirectory } from './testing/memory-directory.ts';
import type { MemoryFileStore } from './testing/memory-file-store.ts';
import { memoryFileStore } from './testing/memory-file-store.ts';

const MIB = 1024 * 1024;
const CHUNK = MIB / 4;
const SHARD = MIB / 2;
const SIZE = 9 * MIB + 777;
const ID = 'file:mine.gguf';
const NEXT = { recipe: { ...RECIPE, schemaVersion: 77 } };

/** The golden and a tail that is no tensor's: a header is looked for in the first 8 MiB, and shards come after that. */
let gguf: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  const golden = await readFile(new URL('../../tests/goldens/reference/small-Q8_0.gguf', import.meta.url));
  gguf = new Uint8Array(SIZE);
  gguf.set(golden);
});

function openStore(files: MemoryFileStore, options: Partial<StorageOptions> = {}): Promise<ModelStore> {
  const packageUrl = (path: string) => `package:${path}`;
  return ModelStore.open({ files, packageUrl, shardBytes: SHARD, chunkBytes: CHUNK, ...options });
}

function fileOf(bytes: Uint8Array<ArrayBuffer> = gguf): File {
  return new File([bytes], 'mine.gguf');
}

/** The same size, but for one bit. */
function another(at: number): Uint8Array<ArrayBuffer> {
  const other = gguf.slice();
  other[at] ^= 1;
  return other;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Why models wait for their files. Nothing else is to be told. */
function reasons(store: ModelStore): string[] {
  expect(store.notices).toEqual([]);
  return store.waiting().map(({ reason }) => reason);
}

/** What a browser that is killed finds when it starts again: the import had reached `cut` bytes. */
async function killedAt(cut: number): Promise<MemoryFileStore> {
  const files = memoryFileStore();
  const stop = new AbortController();
  let left: MemoryFileStore | undefined;
  const onProgress = (done: number) => {
    if (done < cut || left) return;
    left = files.crash(() => 0.5);
    stop.abort();
  };
  const work = (await openStore(files)).importFile(fileOf(), { signal: stop.signal, onProgress });
  await expect(work).rejects.toMatchObject({ code: 'aborted' });
  return left!;
}

/** Chooses the file, and says from where the storing went on. */
async function choose(store: ModelStore, bytes = gguf): Promise<number> {
  const progress: number[] = [];
  const { sha256: stored } = await store.importFile(fileOf(bytes), { onProgress: (done) => progress.push(done) });
  expect(stored).toBe(sha256(bytes));
  for await (const _ of (await store.load(ID, async (source) => source)).weights());
  return progress[0];
}

describe('an import that was cut off', () => {
  test.each([
    ['in the header', 3 * MIB],
    ['in the shards', 8.7 * MIB],
    ['before it was a model', SIZE],
  ])('%s is kept, and goes on with the same file', async (_, cut) => {
    const files = await killedAt(cut);
    const store = await openStore(files);
    expect(store.records()).toEqual([]);
    expect(reasons(store)).toEqual([
      expect.stringMatching(
        /^The import of mine was cut off after .* MB of 9\.4 MB, which are kept: choose its file again in the settings to go on from there\.$/,
      ),
    ]);
    expect(await store.unfinished()).toEqual([]);
    const from = await choose(store);
    expect(from).toBeGreaterThan(cut - 2 * CHUNK);
    expect(from).toBeLessThan(cut + CHUNK);
    expect(store.waiting()).toEqual([]);
    expect(reasons(await openStore(files))).toEqual([]);
  });

  test('before a byte of it was stored leaves nothing to tell of', async () => {
    const files = await killedAt(0);
    expect(reasons(await openStore(files))).toEqual([]);
    expect(files.contents.size).toBe(0);
  });

  test.each([5 * MIB, 8.5 * MIB])(
    'starts over with another file of the same name, which differs at byte %i',
    async (at) => {
      const store = await openStore(await killedAt(8.7 * MIB));
      expect(await choose(store, another(at))).toBe(0);
    },
  );

  test('starts over where the disk has changed what was stored', async () => {
    const files = await killedAt(8.7 * MIB);
    files.contents.get(directoryOf(ID))!.get('shard-00004.bin')![5] ^= 1;
    expect(await choose(await openStore(files))).toBe(0);
  });

  test('goes on under another schema version, unless that would cut its shards otherwise', async () => {
    const files = await killedAt(8.7 * MIB);
    const store = await openStore(
      files.crash(() => 0),
      NEXT,
    );
    expect(reasons(store)[0]).toContain('which are kept');
    expect(await choose(store)).toBeGreaterThan(8 * MIB);
    expect(store.record(ID)?.schemaVersion).toBe(77);

    const otherwise = await openStore(files, { ...NEXT, shardBytes: 3 * SHARD });
    expect(otherwise.notices).toEqual([
      expect.stringMatching(/^What there was of mine .* Choose its file again in the settings/),
    ]);
    expect(files.contents.size).toBe(0);
  });
});

test('what waits can be deleted, and stays when another file of its name is no model', async () => {
  const files = await killedAt(8.7 * MIB);
  const store = await openStore(files);
  await expect(store.importFile(fileOf(new Uint8Array(100)))).rejects.toMatchObject({ code: 'corrupt' });
  const [{ bytes, reason, ...model }] = store.waiting();
  expect(model).toMatchObject({ id: ID, name: 'mine' });
  expect(bytes).toBeGreaterThan(8 * MIB);
  await store.remove(ID);
  expect(store.waiting()).toEqual([]);
  expect(files.contents.size).toBe(0);
});

describe('a damaged model of another schema version that only the person has', () => {
  test('waits, unserved, for its file, from which only the damaged part is taken', async () => {
    const files = memoryFileStore();
    await (await openStore(files)).importFile(fileOf());
    const folder = files.contents.get(directoryOf(ID))!;
    const whole = folder.get('shard-00002.bin');
    folder.get('shard-00001.bin')![5] ^= 1;
    await openStore(files, NEXT);
    const store = await openStore(files, NEXT);
    expect(reasons(store)).toEqual([
      expect.stringMatching(
        /^The stored copy of mine was made under .* A part of it is damaged, so it cannot be made anew: choose its file again in the settings\.$/,
      ),
    ]);
    expect(store.records()).toEqual([]);
    await choose(store);
    expect(store.record(ID)).toMatchObject({ schemaVersion: 77, sha256: sha256(gguf) });
    // The very same bytes in memory: it was not written again.
    expect(files.contents.get(directoryOf(ID))?.get('shard-00002.bin')).toBe(whole);
    expect((await store.verify(ID)).damaged).toEqual([]);
  });

  test('is replaced by another file of the same name', async () => {
    const files = memoryFileStore();
    await (await openStore(files)).importFile(fileOf());
    files.contents.get(directoryOf(ID))!.get('shard-00001.bin')![5] ^= 1;
    const store = await openStore(files, NEXT);
    await choose(store, another(5 * MIB));
    expect(store.record(ID)?.schemaVersion).toBe(77);
  });

  test('waits for its folder where it came from one', async () => {
    const exported = memoryDirectory('out');
    const first = await openStore(memoryFileStore());
    await first.importFile(fileOf());
    await first.exportTo(ID, exported);
    const files = memoryFileStore();
    const { id } = await (await openStore(files)).importFolder(exported);
    const folder = files.contents.get(directoryOf(id))!;
    const whole = folder.get('shard-00002.bin');
    folder.get('shard-00001.bin')![5] ^= 1;
    const store = await openStore(files, NEXT);
    expect(reasons(store)[0]).toContain('choose its folder again');
    expect(await store.importFolder(exported)).toMatchObject({ id, schemaVersion: 77 });
    expect(files.contents.get(directoryOf(id))?.get('shard-00002.bin')).toBe(whole);
    expect((await store.verify(id)).damaged).toEqual([]);
  });
});

describe('a file that is chosen again', () => {
  test('is compared shard by shard with what is stored, with progress, until that is cancelled', async () => {
    const files = memoryFileStore();
    const store = await openStore(files);
    const { shards } = await store.importFile(fileOf());
    const positions = shards.map((_, index) => shards.slice(0, index + 1).reduce((sum, { bytes }) => sum + bytes, 0));
    const progress: number[] = [];
    await store.importFile(fileOf(), { onProgress: (done) => progress.push(done) });
    // What is stored is hashed after that.
    expect(progress).toEqual([...positions, ...positions]);

    const file = fileOf();
    const slice = vi.spyOn(file, 'slice');
    const stop = new AbortController();
    const onProgress = () => stop.abort();
    const work = store.importFile(file, { signal: stop.signal, onProgress });
    await expect(work).rejects.toMatchObject({ code: 'aborted' });
    expect(slice.mock.calls.some(([start = 0]) => start > 8.5 * MIB)).toBe(false);
    expect(store.record(ID)).toBeDefined();
    expect((await store.verify(ID)).damaged).toEqual([]);
  });
});

describe('a file that cannot be read', () => {
  /** Fails beyond a byte. */
  const unreadable = (from: number, name: string) => {
    const file = fileOf();
    const slice = file.slice.bind(file);
    vi.spyOn(file, 'slice').mockImplementation((start = 0, end = 0) => {
      if (end <= from) return slice(start, end);
      const failing = new Blob();
      failing.arrayBuffer = () => Promise.reject(new DOMException('It could not be read.', name));
      return failing;
    });
    return file;
  };

  test.each([
    [
      'NotReadableError',
      'The file mine.gguf could not be read (NotReadableError): it may have changed, be locked by another program, or lie on a drive that is gone. See that it can be opened, then choose it again.',
    ],
    ['NotFoundError', 'The file mine.gguf is not where it was: choose it again.'],
  ])('is named, with what to do: %s', async (name, message) => {
    const store = await openStore(memoryFileStore());
    for (const from of [0, 8.9 * MIB]) {
      await expect(store.importFile(unreadable(from, name))).rejects.toMatchObject({ code: 'bad-request', message });
    }
  });

  test('leaves what it has brought, and is gone on with from there', async () => {
    const files = memoryFileStore();
    const store = await openStore(files);
    await expect(store.importFile(unreadable(0, 'NotReadableError'))).rejects.toMatchObject({ code: 'bad-request' });
    expect([store.waiting(), files.contents.size]).toEqual([[], 0]);
    await expect(store.importFile(unreadable(8.9 * MIB, 'NotReadableError'))).rejects.toMatchObject({
      code: 'bad-request',
    });
    const reason = expect.stringMatching(
      /^The import of mine was cut off after .* which are kept: choose its file again/,
    );
    expect(reasons(store)).toEqual([reason]);
    // A browser that is closed now finds the same.
    expect(reasons(await openStore(files.crash(() => 0.5)))).toEqual([reason]);
    const progress: number[] = [];
    const record = await store.importFile(fileOf(), { onProgress: (done) => void progress.push(done) });
    expect(progress[0]).toBeGreaterThan(8 * MIB);
    expect([record.sha256, reasons(store)]).toEqual([sha256(gguf), []]);
  });

  test('costs nothing of what is stored of it', async () => {
    const store = await openStore(memoryFileStore());
    await store.importFile(fileOf());
    const work = store.importFile(unreadable(8.9 * MIB, 'NotReadableError'));
    await expect(work).rejects.toMatchObject({ code: 'bad-request' });
    expect((await store.verify(ID)).damaged).toEqual([]);
  });
});
