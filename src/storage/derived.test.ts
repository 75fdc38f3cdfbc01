import { describe, expect, test } from 'vitest';
import { RECIPE } from '../model/derived-norms.ts';
import { WEIGHTS_SCHEMA_VERSION } from '../model/schema-version.ts';
import { openShards } from '../model/shards.ts';
import type { ModelStore } from './model-store.ts';
import { directoryOf, RECORD_FILE, readRecord } from './record.ts';
import { storedFolder } from './stored-folder.ts';
import { clock, fileServer, gguf, model, openStore, storedBytes, weightsOf } from './testing/big-model.ts';
import { failure } from './testing/failure.ts';
import { sendRange, serve } from './testing/file-server.ts';
import { memoryFileStore } from './testing/memory-file-store.ts';

describe('what is derived', () => {
  test('is derived again under another recipe without a byte fetched, and the new norms are used', async () => {
    const server = await fileServer();
    const files = memoryFileStore();
    const store = await openStore(files);
    await store.download(model(server.url));
    await store.setProbe('big', 'passed');
    const name = 'blk.0.attn_q_norm.weight';
    const norms = (from: ModelStore) => from.load('big', (source) => weightsOf(source, name));
    const before = await norms(store);
    expect(before.length).toBeGreaterThan(0);
    const matrix = (from: ModelStore) => from.load('big', (source) => weightsOf(source, 'blk.0.attn_q.weight'));
    const weights = await matrix(store);
    const requests = server.starts.length;

    const recipe = { schemaVersion: 77, norm: (stored: Float32Array) => stored.map((w) => 2 * w + 1) };
    const next = await openStore(files, { recipe });
    expect(next.notices).toEqual([
      `The stored copy of Big was made under weights version ${WEIGHTS_SCHEMA_VERSION}, and this Lapis reads version 77: what was derived from its file was deleted and made anew, without a download.`,
    ]);
    expect(await norms(next)).toEqual(before.map((w) => 2 * w + 1));
    expect(await matrix(next)).toEqual(weights);
    // How it answered before says nothing about how it answers now.
    expect(next.record('big')).toMatchObject({ schemaVersion: 77, probe: undefined });
    // Back again, as when a person returns to an older version.
    expect(await norms(await openStore(files))).toEqual(before);
    expect(server.starts).toHaveLength(requests);
  });

  test('is not derived from a damaged shard: that is fetched first', async () => {
    const server = await fileServer();
    const files = memoryFileStore();
    await (await openStore(files)).download(model(server.url));
    const clean = (await openStore(files)).record('big')?.norms;
    files.contents.get(directoryOf('big'))!.get('shard-00001.bin')![500] ^= 1;
    const next = await openStore(files, { recipe: { ...RECIPE, schemaVersion: 77 } });
    expect(next.record('big')?.norms).toEqual(clean);
    expect(storedBytes(files).equals(gguf)).toBe(true);
    expect(server.starts).toHaveLength(2);
  });

  test('stands in the record for lists, with its use and its probe', async () => {
    const server = await fileServer();
    const files = memoryFileStore();
    const store = await openStore(files, { clock: { ...clock, now: () => 1234 } });
    await store.download(model(server.url));
    await store.markUsed('big');
    await store.setProbe('big', { failed: 'It said green.' });
    const record = (await openStore(files)).record('big');
    const { config, tensors } = await openShards(storedFolder(files, directoryOf('big')));
    const parameters = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0);
    expect(record).toMatchObject({
      lastUsedAt: 1234,
      probe: { schemaVersion: WEIGHTS_SCHEMA_VERSION, outcome: { failed: 'It said green.' } },
      summary: { config, parameters },
    });
    expect(record?.summary?.types.map(({ type }) => type)).toEqual(['Q8_0', 'F32']);
    expect(await readRecord(files, directoryOf('big'), RECORD_FILE)).toEqual(record);
  });

  test('is verified with the shards, and damaged norms are made anew', async () => {
    const server = await fileServer();
    const files = memoryFileStore();
    const store = await openStore(files);
    await store.download(model(server.url));
    expect(await store.verify('big')).toEqual({ damaged: [], repaired: [] });
    const folder = files.contents.get(directoryOf('big'))!;
    folder.get('norms.bin')![9] ^= 1;
    folder.get('shard-00003.bin')![9] ^= 1;
    const progress: number[] = [];
    const result = await store.verify('big', { onProgress: (done) => progress.push(done) });
    expect(result).toEqual({
      damaged: ['A part of Big (shard-00003.bin) was damaged.', 'The manifest of Big was damaged.'],
      repaired: [
        'A damaged part of Big (shard-00003.bin) was found and repaired from 127.0.0.1.',
        'The damaged manifest of Big was found and made anew.',
      ],
    });
    expect(progress.at(-1)).toBe(gguf.length);
    expect(await store.verify('big')).toEqual({ damaged: [], repaired: [] });
    expect(server.starts).toHaveLength(2);
  });

  test('is verified without loss of what is recorded meanwhile', async () => {
    const server = await fileServer();
    const files = memoryFileStore();
    const store = await openStore(files, { clock: { ...clock, now: () => 1234 } });
    await store.download(model(server.url));
    const meanwhile = async (now: () => Promise<void>) => {
      let done: Promise<void> | undefined;
      await store.verify('big', {
        onProgress: () => {
          done ??= now();
        },
      });
      await done;
    };
    await meanwhile(() => store.markUsed('big'));
    expect(store.record('big')?.lastUsedAt).toBe(1234);
    files.contents.get(directoryOf('big'))!.get('norms.bin')![9] ^= 1;
    await meanwhile(() => store.setProbe('big', 'passed'));
    const record = store.record('big');
    expect(record).toMatchObject({ lastUsedAt: 1234, probe: { outcome: 'passed' } });
    expect(await readRecord(files, directoryOf('big'), RECORD_FILE)).toEqual(record);
    expect(await store.verify('big')).toEqual({ damaged: [], repaired: [] });
  });

  test('a damaged part whose source cannot be reached is named, and is not served', async () => {
    let there = true;
    const url = await serve((request, response) => {
      if (there) sendRange(gguf, request, response);
      else response.writeHead(404).end();
    });
    const files = memoryFileStore();
    const store = await openStore(files);
    await store.download(model(url));
    there = false;
    files.contents.get(directoryOf('big'))!.get('shard-00001.bin')![9] ^= 1;
    const sentence =
      'A part of Big (shard-00001.bin) is damaged: The download from 127.0.0.1 failed: the file is not there any more (404).';
    expect(await store.verify('big')).toEqual({ damaged: [sentence], repaired: [] });
    const error = await failure(store.load('big', (source) => weightsOf(source, 'token_embd.weight')));
    expect(error).toMatchObject({ code: 'corrupt', message: sentence });
  });
});
