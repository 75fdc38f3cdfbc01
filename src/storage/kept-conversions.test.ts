import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { RECIPE } from '../model/derived-norms.ts';
import type { StorageOptions } from './environment.ts';
import { ModelStore } from './model-store.ts';
import type { ModelRecord } from './record.ts';
import { directoryOf } from './record.ts';
import { memoryDirectory } from './testing/memory-directory.ts';
import type { MemoryFileStore } from './testing/memory-file-store.ts';
import { memoryFileStore } from './testing/memory-file-store.ts';

const SHARD = 64 * 1024;
const ID = 'folder:gemma';

/** A folder of Hugging Face. */
let files: Map<string, Uint8Array<ArrayBuffer>>;
/** What it becomes when nothing comes in between. */
let whole: ModelRecord;
beforeAll(async () => {
  const names = ['config.json', 'model.safetensors', 'tokenizer.model'];
  const file = async (name: string) =>
    new Uint8Array(await readFile(new URL(`../../tests/goldens/data/tiny/${name}`, import.meta.url)));
  files = new Map(await Promise.all(names.map(async (name) => [name, await file(name)] as const)));
  whole = await (await openStore(memoryFileStore())).importFolder(memoryDirectory('gemma', files));
});

function openStore(store: MemoryFileStore, options: Partial<StorageOptions> = {}): Promise<ModelStore> {
  const packageUrl = (path: string) => `package:${path}`;
  return ModelStore.open({ files: store, packageUrl, shardBytes: SHARD, ...options });
}

/** What a browser that is killed finds when it starts again: the conversion was on its way to the shard after these. */
async function killedAfter(shards: number): Promise<MemoryFileStore> {
  const store = memoryFileStore();
  const stop = new AbortController();
  const cut = whole.shards.slice(0, shards).reduce((sum, { bytes }) => sum + bytes, 0);
  let left: MemoryFileStore | undefined;
  const onProgress = (done: number) => {
    if (done <= cut || left) return;
    left = store.crash(() => 0.5);
    stop.abort();
  };
  const work = (await openStore(store)).importFolder(memoryDirectory('gemma', files), {
    signal: stop.signal,
    onProgress,
  });
  await expect(work).rejects.toMatchObject({ code: 'aborted' });
  // What somebody ends leaves nothing.
  expect(store.contents.size).toBe(0);
  return left!;
}

/** Chooses the folder, and says how many shards were written for it. */
async function choose(
  disk: MemoryFileStore,
  content = files,
  store?: ModelStore,
): Promise<{ record: ModelRecord; written: number }> {
  const opened = store ?? (await openStore(disk));
  const write = vi.spyOn(disk, 'write');
  const record = await opened.importFolder(memoryDirectory('gemma', content));
  const written = write.mock.calls.filter(([, name]) => name.startsWith('shard-')).length;
  write.mockRestore();
  for await (const _ of (await opened.load(ID, async (source) => source)).weights());
  expect(opened.waiting()).toEqual([]);
  return { record, written };
}

describe('a conversion that was cut off', () => {
  test('is kept, and goes on with the same folder', async () => {
    const shards = Math.floor(whole.shards.length / 2);
    expect(shards).toBeGreaterThan(2);
    const disk = await killedAfter(shards);
    const kept = whole.shards.slice(0, shards).map(({ file }) => disk.contents.get(directoryOf(ID))?.get(file));
    const store = await openStore(disk);
    expect(store.notices).toEqual([]);
    expect(store.records()).toEqual([]);
    expect(store.waiting()).toEqual([
      expect.objectContaining({
        id: ID,
        reason: expect.stringMatching(
          /^The import of gemma was cut off after .* of .*, which are kept: choose its folder again in the settings to go on from there\.$/,
        ),
      }),
    ]);
    const { record, written } = await choose(disk, files, store);
    expect(written).toBe(whole.shards.length - shards);
    expect(record).toEqual(whole);
    // The very same bytes in memory: they were not written again.
    for (const [index, bytes] of kept.entries()) {
      expect(disk.contents.get(directoryOf(ID))?.get(whole.shards[index].file)).toBe(bytes);
    }
    expect((await openStore(disk)).records()).toEqual([whole]);
  });

  test('goes on from its last shard when it was not yet a model', async () => {
    const disk = memoryFileStore();
    const write = disk.write;
    const stop = new AbortController();
    let left: MemoryFileStore | undefined;
    disk.write = async (directory, name, bytes) => {
      if (name === 'manifest.json') {
        left = disk.crash(() => 0.5);
        stop.abort();
      }
      await write(directory, name, bytes);
    };
    const work = (await openStore(disk)).importFolder(memoryDirectory('gemma', files), { signal: stop.signal });
    await work.catch(() => {});
    expect(await choose(left!)).toEqual({ record: whole, written: 0 });
  });

  test('starts over with other weights, and where the disk has changed what was stored', async () => {
    const content = new Map(files);
    const tensors = files.get('model.safetensors')!.slice();
    const [headerBytes] = new BigUint64Array(tensors.slice(0, 8).buffer);
    for (let at = 8 + Number(headerBytes); at < tensors.length; at += 1000) tensors[at] ^= 1;
    content.set('model.safetensors', tensors);
    const others = await choose(memoryFileStore(), content);
    const disk = await killedAfter(3);
    const again = await choose(disk, content);
    expect(again).toEqual(others);
    expect(again.record.shards).not.toEqual(whole.shards);

    const damaged = await killedAfter(3);
    damaged.contents.get(directoryOf(ID))!.get('shard-00001.bin')![5] ^= 1;
    expect(await choose(damaged)).toEqual({ record: whole, written: others.written });
  });

  test('under another schema version is deleted, with a sentence', async () => {
    const disk = await killedAfter(3);
    const store = await openStore(disk, { recipe: { ...RECIPE, schemaVersion: 77 } });
    expect(store.waiting()).toEqual([]);
    expect(store.notices).toEqual([
      expect.stringMatching(/^What there was of gemma was stored under .* Choose its folder again in the settings/),
    ]);
    expect(disk.contents.size).toBe(0);
  });

  test('stays where the weights can no longer be read, and so does one that was not cut off before', async () => {
    const directory = memoryDirectory('gemma', files);
    const { getFileHandle } = directory;
    let left = 0;
    directory.getFileHandle = async (name) => {
      const handle = await getFileHandle.call(directory, name);
      const file = await handle.getFile();
      const slice = file.slice.bind(file);
      file.slice = (start = 0, end = 0) => {
        left -= end - start;
        if (left > 0) return slice(start, end);
        const failing = new Blob();
        failing.arrayBuffer = () => Promise.reject(new DOMException('The drive is gone.', 'NotReadableError'));
        return failing;
      };
      return { ...handle, getFile: async () => file } as FileSystemFileHandle;
    };
    for (const disk of [memoryFileStore(), await killedAfter(3)]) {
      left = 0.8 * files.get('model.safetensors')!.length;
      const store = await openStore(disk);
      await expect(store.importFolder(directory)).rejects.toMatchObject({ code: 'bad-request' });
      expect(store.waiting().map(({ reason }) => reason)).toEqual([
        expect.stringMatching(/^The import of gemma was cut/),
      ]);
      const { record, written } = await choose(disk, files, store);
      expect(record).toEqual(whole);
      expect(written).toBeLessThan(whole.shards.length);
    }
  });

  test('stays where its rest does not fit', async () => {
    const disk = await killedAfter(3);
    const store = await openStore(disk);
    disk.free = 1000;
    await expect(choose(disk, files, store)).rejects.toMatchObject({
      code: 'quota',
      message: expect.stringMatching(/^The rest of gemma needs .* that are stored stay\.$/),
    });
    disk.free = undefined;
    expect((await choose(disk, files, store)).written).toBe(whole.shards.length - 3);
  });
});
