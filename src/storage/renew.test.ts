import { describe, expect, test } from 'vitest';
import { RECIPE } from '../model/derived-norms.ts';
import { LapisError } from '../protocol/errors.ts';
import { directoryOf } from './record.ts';
import { downloadUpTo, fileServer, gguf, MIB, model, openStore, storedBytes } from './testing/big-model.ts';
import { failure } from './testing/failure.ts';
import type { Answer } from './testing/file-server.ts';
import { sendRange, serve } from './testing/file-server.ts';
import type { MemoryFileStore } from './testing/memory-file-store.ts';
import { memoryFileStore } from './testing/memory-file-store.ts';

const NEXT = { recipe: { ...RECIPE, schemaVersion: 77 } };

const FULL = new LapisError('quota', 'The disk is full.');

/** Writing fails until it is called. */
function fill(files: MemoryFileStore): () => void {
  const { write } = files;
  files.write = async () => {
    throw FULL;
  };
  return () => {
    files.write = write;
  };
}

function damage(files: MemoryFileStore): void {
  files.contents.get(directoryOf('big'))!.get('shard-00001.bin')![9] ^= 1;
}

describe('a model that could not be made anew', () => {
  test('for want of room is not served and not lost, says why, and is made anew when it is wanted', async () => {
    const server = await fileServer();
    const files = memoryFileStore();
    await (await openStore(files)).download(model(server.url));
    const empty = fill(files);
    const store = await openStore(files, NEXT);
    expect(store.records()).toEqual([]);
    expect(store.notices).toEqual([]);
    const { id, name, bytes, license } = model(server.url);
    const [{ reason, ...waiting }] = store.waiting();
    expect(waiting).toEqual({ id, name, bytes, license, url: server.url, renewable: true });
    expect(reason).toMatch(
      /^The stored copy of Big was made under .*\. It could not be made anew \(The disk is full\.\): that is tried again when you use it, or when Lapis starts\.$/,
    );
    expect(await failure(store.renew('big'))).toMatchObject({ code: 'quota', message: reason });
    expect(store.waiting()).toHaveLength(1);
    empty();
    expect(await store.renew('big')).toMatchObject({ schemaVersion: 77 });
    expect(store.waiting()).toEqual([]);
    expect(store.record('big')?.schemaVersion).toBe(77);
    expect(await failure(store.renew('big'))).toMatchObject({ code: 'no-model' });
    expect(server.starts).toEqual([0]);
  });

  test('is made anew at the next start, too', async () => {
    const files = memoryFileStore();
    const { id } = await (await openStore(files)).importFile(new File([Uint8Array.from(gguf)], 'mine.gguf'));
    const empty = fill(files);
    expect((await openStore(files, NEXT)).waiting()).toHaveLength(1);
    empty();
    const store = await openStore(files, NEXT);
    expect(store.notices[0]).toContain('made anew, without a download');
    expect(store.record(id)?.schemaVersion).toBe(77);
  });

  test('is not fetched again when it is asked for as a download, nor deleted when that fails and is cancelled', async () => {
    const server = await fileServer();
    const files = memoryFileStore();
    await (await openStore(files)).download(model(server.url));
    const empty = fill(files);
    const store = await openStore(files, NEXT);
    expect(await failure(store.download(model(server.url)))).toMatchObject({ code: 'quota' });
    expect(await store.discard('big')).toBe(0);
    expect(store.waiting()).toHaveLength(1);
    empty();
    expect(await store.download(model(server.url))).toMatchObject({ schemaVersion: 77 });
    expect(store.waiting()).toEqual([]);
    expect(server.starts).toEqual([0]);
  });

  test('is fetched anew when another file is asked for in its place', async () => {
    const server = await fileServer();
    const files = memoryFileStore();
    await (await openStore(files)).download(model(server.url, { pin: false }));
    const empty = fill(files);
    const store = await openStore(files, NEXT);
    empty();
    const elsewhere = await fileServer();
    await store.download(model(elsewhere.url, { pin: false }));
    expect(elsewhere.starts).toEqual([0]);
    expect(store.waiting()).toEqual([]);
  });

  test('because a sign-in page came in the place of a damaged part waits until that part can be had', async () => {
    const right: Answer = (request, response) => sendRange(gguf, request, response);
    let answer = right;
    const url = await serve((request, response) => answer(request, response));
    const files = memoryFileStore();
    await (await openStore(files)).download(model(url));
    damage(files);
    answer = (_, response) => response.end('{"please": "sign in"}');
    const store = await openStore(files, NEXT);
    expect(store.notices).toEqual([]);
    expect(store.waiting()).toMatchObject([
      { renewable: true, reason: expect.stringContaining('What 127.0.0.1 sent is no GGUF file') },
    ]);
    answer = right;
    await store.renew('big');
    expect(storedBytes(files).equals(gguf)).toBe(true);
  });

  test('of which nothing will become is fetched anew when it is asked for', async () => {
    let file = gguf;
    const server = await fileServer(() => file);
    const wanted = model(server.url, { pin: false });
    const files = memoryFileStore();
    await (await openStore(files)).download(wanted);
    const empty = fill(files);
    const store = await openStore(files, NEXT);
    expect(store.waiting()).toHaveLength(1);
    empty();
    damage(files);
    file = Buffer.from(gguf).fill(7, 5 * MIB);
    await store.download(wanted);
    expect(storedBytes(files).equals(file)).toBe(true);
    expect(store.waiting()).toEqual([]);
  });
});

describe('a disk that refuses', () => {
  test('to keep where a deleted model can be had again, costs that alone', async () => {
    const server = await fileServer();
    const files = memoryFileStore();
    await (await openStore(files)).download(model(server.url));
    const empty = fill(files);
    const store = await openStore(files, { ...NEXT, shardBytes: 2 * MIB });
    expect(store.offers()).toEqual([model(server.url)]);
    expect(store.notices[0]).toMatch(
      /it was deleted, .*\. Where it comes from could not be kept \(The disk is full\.\) for the next start\.$/,
    );
    empty();
    expect((await openStore(files, NEXT)).offers()).toEqual([]);
  });

  test('what an unfinished download needs at the start leaves it as it is, says so, and it goes on later', async () => {
    const server = await fileServer();
    server.until = 9 * MIB;
    const files = await downloadUpTo(memoryFileStore(), model(server.url), 9 * MIB);
    server.until = Number.POSITIVE_INFINITY;
    const empty = fill(files);
    const store = await openStore(files, NEXT);
    expect(store.notices).toEqual([
      expect.stringMatching(
        /^What there is of Big was stored under .*\. It could not be looked through \(The disk is full\.\) and stays as it is\.$/,
      ),
    ]);
    expect(await store.unfinished()).toMatchObject([{ bytesDone: 9 * MIB }]);
    empty();
    expect((await store.download(model(server.url))).schemaVersion).toBe(77);
    expect(server.starts).toEqual([0, 9 * MIB]);
  });

  test('what an unfinished import needs at the start lets it go on with its file', async () => {
    const source = new File([Uint8Array.from(gguf)], 'mine.gguf');
    const before = memoryFileStore();
    let files = before;
    const onProgress = (done: number) => {
      if (done >= 9 * MIB && files === before) files = before.crash(() => 0);
    };
    await (await openStore(before)).importFile(source, { onProgress });
    const empty = fill(files);
    const store = await openStore(files, NEXT);
    expect(store.notices).toHaveLength(1);
    expect(store.waiting()).toMatchObject([{ id: 'file:mine.gguf' }]);
    empty();
    const progress: number[] = [];
    const record = await store.importFile(source, { onProgress: (done) => progress.push(done) });
    expect(progress[0]).toBeGreaterThan(8 * MIB);
    expect(record.schemaVersion).toBe(77);
  });

  test('to read one directory costs that alone', async () => {
    const server = await fileServer();
    const files = memoryFileStore();
    const first = await openStore(files);
    await first.download(model(server.url));
    await first.download({ ...model(server.url), id: 'other' });
    const { read } = files;
    files.read = async (directory, ...rest) => {
      if (directory === directoryOf('other')) throw new DOMException('A bad sector.', 'NotReadableError');
      return read(directory, ...rest);
    };
    const store = await openStore(files);
    expect(store.records().map(({ id }) => id)).toEqual(['big']);
    expect(store.notices).toEqual([
      `What is stored in ${directoryOf('other')} could not be looked through (A bad sector.): it stays as it is, and is looked through again when Lapis starts.`,
    ]);
    files.read = read;
    expect((await openStore(files)).records()).toHaveLength(2);
  });
});
