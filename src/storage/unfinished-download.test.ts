import { describe, expect, test } from 'vitest';
import { RECIPE } from '../model/derived-norms.ts';
import { WEIGHTS_SCHEMA_VERSION } from '../model/schema-version.ts';
import type { LapisError } from '../protocol/errors.ts';
import { directoryOf } from './record.ts';
import { downloadUpTo, fileServer, gguf, MIB, model, openStore, storedBytes } from './testing/big-model.ts';
import { failure } from './testing/failure.ts';
import { memoryFileStore } from './testing/memory-file-store.ts';

describe('an unfinished download', () => {
  test('is listed with how far it is and whether it rests, across restarts, until it is discarded', async () => {
    const server = await fileServer();
    const wanted = model(server.url);
    server.until = 9 * MIB;
    const files = await downloadUpTo(memoryFileStore(), wanted, 9 * MIB);
    const store = await openStore(files);
    const unfinished = { model: wanted, bytesDone: 9 * MIB, bytesTotal: gguf.length, paused: false };
    expect(await store.unfinished()).toEqual([unfinished]);
    await store.setPaused('big', true);
    const again = await openStore(files);
    expect(again.notices).toEqual([]);
    expect(await again.unfinished()).toEqual([{ ...unfinished, paused: true }]);
    expect((await again.usage()).usedBytes).toBeGreaterThan(9 * MIB);
    expect(await again.discard('big')).toBeGreaterThan(9 * MIB);
    expect(files.contents.size).toBe(0);
    expect(await again.usage()).toEqual({ usedBytes: 0 });
    expect(await failure(again.setPaused('big', true))).toMatchObject({ code: 'no-model' });
  });

  test('is not begun twice, and ends when it is discarded', async () => {
    const server = await fileServer();
    server.until = 9 * MIB;
    const files = memoryFileStore();
    const store = await openStore(files);
    let second: Promise<LapisError> | undefined;
    let discarded: Promise<number> | undefined;
    const first = store.download(model(server.url), {
      onProgress: (done) => {
        if (done < 9 * MIB || second) return;
        second = failure(store.download(model(server.url)));
        discarded = store.discard('big');
      },
    });
    expect(await failure(first)).toMatchObject({ code: 'aborted' });
    expect(await second).toMatchObject({ code: 'busy' });
    expect(await discarded).toBeGreaterThan(0);
    expect(files.contents.size).toBe(0);
  });

  test('of a file that is no Gemma 3 ends at its header and leaves nothing', async () => {
    const llama = Buffer.from(gguf);
    for (let at = llama.indexOf('gemma3'); at >= 0; at = llama.indexOf('gemma3', at)) llama.write('llama3', at);
    const server = await fileServer(() => llama);
    server.until = 9 * MIB;
    const files = memoryFileStore();
    const error = await failure((await openStore(files)).download(model(server.url, { file: llama })));
    expect(error.code).toBe('not-gemma');
    expect(files.contents.size).toBe(0);
  });

  test('goes on under another schema version, since what is stored are the source’s own bytes', async () => {
    const server = await fileServer();
    const wanted = model(server.url);
    server.until = 9 * MIB;
    const files = await downloadUpTo(memoryFileStore(), wanted, 9 * MIB);
    server.until = Number.POSITIVE_INFINITY;
    const store = await openStore(files, { recipe: { ...RECIPE, schemaVersion: 77 } });
    expect(store.notices).toEqual([]);
    expect((await store.download(wanted)).schemaVersion).toBe(77);
    expect(server.starts).toEqual([0, 9 * MIB]);
  });

  test('of what had to be deleted before leaves that it is offered when it is cancelled, even after a restart', async () => {
    const server = await fileServer();
    const wanted = model(server.url);
    const recipe = { ...RECIPE, schemaVersion: 77 };
    const next = { recipe, shardBytes: 2 * MIB };
    const before = memoryFileStore();
    await (await openStore(before)).download(wanted);
    const first = await openStore(before, next);
    let files = before;
    server.until = 9 * MIB;
    const onProgress = (done: number) => {
      if (done < 9 * MIB || files !== before) return;
      files = before.crash(() => 0);
      void first.discard('big');
    };
    expect(await failure(first.download(wanted, { onProgress }))).toMatchObject({ code: 'aborted' });
    await first.discard('big');
    for (const store of [first, await openStore(before, next)]) {
      expect(store.offers()).toEqual([wanted]);
      expect(await store.unfinished()).toEqual([]);
    }
    expect(storedBytes(before).length).toBe(0);

    const second = await openStore(files, next);
    expect(await second.unfinished()).toHaveLength(1);
    expect(second.offers()).toEqual([wanted]);
    expect(await second.discard('big')).toBeGreaterThan(8 * MIB);
    const third = await openStore(files, next);
    expect(third.notices).toEqual([]);
    expect(third.offers()).toEqual([wanted]);
    server.until = Number.POSITIVE_INFINITY;
    await third.download(wanted);
    expect([...files.contents.get(directoryOf('big'))!.keys()].filter((name) => name.startsWith('offer'))).toEqual([]);
    expect((await openStore(files, next)).offers()).toEqual([]);
  });

  test('that another version would cut otherwise is deleted, with why and what it costs', async () => {
    const server = await fileServer();
    server.until = 9 * MIB;
    const files = await downloadUpTo(memoryFileStore(), model(server.url), 9 * MIB);
    const recipe = { ...RECIPE, schemaVersion: 77 };
    const store = await openStore(files, { recipe, shardBytes: 2 * MIB });
    expect(store.notices).toEqual([
      `What there was of Big was stored under weights version ${WEIGHTS_SCHEMA_VERSION}, and this Lapis reads version 77: it was deleted, which freed 9.4 MB. Download it again in the settings, which is 15 MB.`,
    ]);
    expect(storedBytes(files).length).toBe(0);
    expect(store.offers()).toEqual([model(server.url)]);
    expect(await store.unfinished()).toEqual([]);
  });
});
