import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { RECIPE } from '../model/derived-norms.ts';
import { WEIGHTS_SCHEMA_VERSION } from '../model/schema-version.ts';
import { openShards } from '../model/shards.ts';
import type { ModelSource } from '../model/source.ts';
import { LapisError } from '../protocol/errors.ts';
import { GEMMA_TERMS } from './catalogue.ts';
import type { AnotherSize, DownloadableModel, DownloadOptions } from './download-model.ts';
import type { StorageOptions } from './environment.ts';
import { ModelStore } from './model-store.ts';
import { directoryOf, RECORD_FILE, readRecord } from './record.ts';
import type { RetryClock } from './retry.ts';
import { storedFolder } from './stored-folder.ts';
import type { Answer } from './testing/file-server.ts';
import { rangeOf, sendRange, serve } from './testing/file-server.ts';
import type { MemoryFileStore } from './testing/memory-file-store.ts';
import { memoryFileStore } from './testing/memory-file-store.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const CHUNK = 256 * KIB;
const SHARD = 3 * MIB;
const LONG = process.env.LAPIS_LONG === '1';

/** A GGUF that reaches well beyond the 8 MiB in which a header is looked for: the golden and a tail that is no tensor's. */
let gguf: Buffer;

beforeAll(async () => {
  const golden = await readFile(new URL('../../tests/goldens/reference/small-Q8_0.gguf', import.meta.url));
  const tail = Buffer.alloc(14 * MIB + 12_345 - golden.length);
  const random = numbers(5);
  for (let i = 0; i < tail.length; i++) tail[i] = random() * 256;
  gguf = Buffer.concat([golden, tail]);
});

/** Numbers in [0, 1) by Marsaglia's xorshift32. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

const clock: RetryClock = { now: () => 0, random: () => 0, sleep: async () => {} };

function openStore(files: MemoryFileStore, options: Partial<StorageOptions> = {}): Promise<ModelStore> {
  const packageUrl = (path: string) => `package:${path}`;
  return ModelStore.open({ files, packageUrl, shardBytes: SHARD, chunkBytes: CHUNK, clock, ...options });
}

function model(url: string, { bytes = gguf.length, pin = true, file = gguf } = {}): DownloadableModel {
  const sha256 = createHash('sha256').update(file).digest('hex');
  return { id: 'big', name: 'Big', bytes, license: GEMMA_TERMS, origin: { kind: 'url', url, ...(pin && { sha256 }) } };
}

/** A server of the file as `current` gives it, which counts. Beyond byte `until` it sends nothing more and waits. */
async function fileServer(current: () => Buffer = () => gguf) {
  const served = {
    starts: [] as number[],
    until: Number.POSITIVE_INFINITY,
    /** Shown as Last-Modified. */
    date: undefined as string | undefined,
    url: '',
  };
  const answer: Answer = (request, response) => {
    const file = current();
    const { start, end } = rangeOf(request, file.length);
    // A look at its beginning is no download.
    if (request.headers.range !== 'bytes=0-3') served.starts.push(start);
    if (served.date) response.setHeader('last-modified', served.date);
    if (start >= file.length || end <= served.until) {
      sendRange(file, request, response);
      return;
    }
    response.writeHead(206, { 'content-length': end - start });
    response.write(file.subarray(start, served.until));
  };
  served.url = await serve(answer);
  return served;
}

/** Stored bytes of the model, whole shards joined. */
function storedBytes(files: MemoryFileStore, id = 'big'): Buffer {
  const folder = files.contents.get(directoryOf(id));
  const names = [...(folder?.keys() ?? [])].filter((name) => name.startsWith('shard-')).sort();
  return Buffer.concat(names.map((name) => folder?.get(name) ?? new Uint8Array(0)));
}

async function weightsOf(source: ModelSource, name: string): Promise<Float32Array> {
  const parts: Uint8Array[] = [];
  for await (const { tensor, bytes } of source.weights()) if (tensor.name === name) parts.push(bytes.slice());
  return new Float32Array(Uint8Array.from(Buffer.concat(parts)).buffer);
}

async function failure(work: Promise<unknown>): Promise<LapisError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof LapisError) return error;
    throw error;
  }
  throw new Error('It did not fail.');
}

/**
 * Downloads until `cut` bytes have come, and ends there: paused, or as when the browser is killed. What is left is given back.
 */
async function downloadUpTo(
  files: MemoryFileStore,
  wanted: DownloadableModel,
  cut: number,
  { kill, ...options }: DownloadOptions & { kill?: () => number } = {},
): Promise<MemoryFileStore> {
  const stop = new AbortController();
  let left = files;
  const onProgress = (done: number) => {
    if (done < cut || stop.signal.aborted) return;
    if (kill) left = files.crash(kill);
    stop.abort(new LapisError('aborted', 'The download was paused.'));
  };
  const store = await openStore(files);
  const error = await failure(store.download(wanted, { ...options, signal: stop.signal, onProgress }));
  expect(error.message).toBe('The download was paused.');
  return left;
}

describe('a download that is cut', () => {
  test(`at ${LONG ? 50 : 10} random bytes, by a pause or a kill, is the same file in the end and fetches at most a chunk again`, async () => {
    const cuts = LONG ? 50 : 10;
    const random = numbers(20261124);
    const server = await fileServer();
    const wanted = model(server.url);
    const at = Array.from({ length: cuts }, () => 1 + Math.floor(random() * (gguf.length - 1))).sort((a, b) => a - b);
    let files = memoryFileStore();
    let fetched = 0;
    for (const [index, cut] of at.entries()) {
      server.until = cut;
      const killed = index % 2 === 1;
      files = await downloadUpTo(files, wanted, cut, killed ? { kill: random } : {});
      fetched += cut - (server.starts.at(-1) ?? 0);
      const [{ bytesDone }] = await (await openStore(files)).unfinished();
      if (killed) expect(bytesDone).toBeGreaterThan(cut - CHUNK);
      else expect(bytesDone).toBe(cut);
      expect(bytesDone).toBeLessThanOrEqual(cut);
    }
    server.until = Number.POSITIVE_INFINITY;
    const store = await openStore(files);
    const notices: string[] = [];
    const record = await store.download(wanted, { onNotice: (notice) => notices.push(notice) });
    fetched += gguf.length - (server.starts.at(-1) ?? 0);
    expect(notices).toEqual([]);
    expect(record.sha256).toBe(wanted.origin.sha256);
    expect(storedBytes(files).equals(gguf)).toBe(true);
    expect(server.starts).toHaveLength(cuts + 1);
    expect(fetched).toBeLessThanOrEqual(gguf.length + cuts * CHUNK);
    // The bound has to mean something: that many kills lose something.
    expect(fetched).toBeGreaterThan(gguf.length);
    expect(await store.unfinished()).toEqual([]);
    expect([...(files.contents.get(directoryOf('big'))?.keys() ?? [])].sort()).toEqual([
      'manifest.json',
      'norms.bin',
      'record.copy.json',
      'record.json',
      ...record.shards.map(({ file }) => file),
    ]);
  });

  test('goes on by itself when the connection breaks, without a byte twice', async () => {
    const cut = 9 * MIB + 77;
    let broken = false;
    const starts: number[] = [];
    let breakOff = () => {};
    const url = await serve((request, response) => {
      starts.push(rangeOf(request, gguf.length).start);
      if (broken) return sendRange(gguf, request, response);
      response.writeHead(206).write(gguf.subarray(0, cut));
      breakOff = () => response.destroy();
    });
    const phases: string[] = [];
    const record = await (await openStore(memoryFileStore())).download(model(url), {
      onPhase: (phase) => phases.push(phase),
      onProgress: (done) => {
        if (done < cut || broken) return;
        broken = true;
        breakOff();
      },
    });
    expect(record.sha256).toBe(model(url).origin.sha256);
    expect(starts).toEqual([0, cut]);
    expect(phases).toEqual(['downloading', 'downloading', 'retrying', 'downloading', 'preparing']);
  });

  test('counts on nothing that was written after the last entry of its log', async () => {
    const server = await fileServer();
    const wanted = model(server.url);
    server.until = 10 * MIB;
    const files = await downloadUpTo(memoryFileStore(), wanted, 10 * MIB);
    const folder = files.contents.get(directoryOf('big'))!;
    const growing = [...folder.keys()]
      .filter((name) => name.startsWith('shard-'))
      .sort()
      .at(-1)!;
    const garbage = Buffer.alloc(100_000, 0xee);
    folder.set(growing, Uint8Array.from(Buffer.concat([folder.get(growing)!, garbage])));
    folder.set('progress.log', Uint8Array.from(Buffer.concat([folder.get('progress.log')!, garbage.subarray(0, 23)])));
    server.until = Number.POSITIVE_INFINITY;
    await (await openStore(files)).download(wanted);
    expect(server.starts).toEqual([0, 10 * MIB]);
    expect(storedBytes(files).equals(gguf)).toBe(true);
  });

  test('fetches what is missing when a shard was lost, and only a damaged part when the hash shows one', async () => {
    const server = await fileServer();
    const wanted = model(server.url);
    server.until = 13 * MIB;
    const files = await downloadUpTo(memoryFileStore(), wanted, 13 * MIB);
    files.contents.get(directoryOf('big'))!.get('shard-00001.bin')![1000] ^= 1;
    server.until = Number.POSITIVE_INFINITY;
    const record = await (await openStore(files)).download(wanted);
    expect(record.sha256).toBe(wanted.origin.sha256);
    expect(storedBytes(files).equals(gguf)).toBe(true);
    expect(server.starts.slice(1)).toEqual([13 * MIB, record.shards[0].bytes]);

    server.until = 13 * MIB;
    const lost = await downloadUpTo(memoryFileStore(), wanted, 13 * MIB);
    lost.contents.get(directoryOf('big'))!.delete('shard-00001.bin');
    server.until = Number.POSITIVE_INFINITY;
    await (await openStore(lost)).download(wanted);
    expect(server.starts.at(-1)).toBe(record.shards[0].bytes);
    expect(storedBytes(lost).equals(gguf)).toBe(true);
  });
});

describe('a download without room', () => {
  test('is refused before a byte is fetched, with what is needed and what there is', async () => {
    const server = await fileServer();
    const error = await failure((await openStore(memoryFileStore(2_000_000))).download(model(server.url)));
    expect(error).toMatchObject({ code: 'quota', message: 'Big needs 29 MB, but the browser has only 2.0 MB left.' });
    expect(server.starts).toEqual([]);
  });

  test('keeps what was fetched when the disk is full in the middle, and goes on when there is room', async () => {
    const server = await fileServer();
    const wanted = model(server.url);
    const files = memoryFileStore(40 * MIB);
    const store = await openStore(files);
    let full = false;
    const onProgress = (done: number) => {
      if (done < 10 * MIB || full) return;
      full = true;
      files.free = 100_000;
    };
    const error = await failure(store.download(wanted, { onProgress }));
    expect(error.code).toBe('quota');
    expect(error.message).toMatch(
      /^The disk is full\. 10 MB of Big are stored and stay; \d\d MB more are needed, and the browser has 100 kB left\.$/,
    );
    const [{ bytesDone }] = await store.unfinished();
    expect(bytesDone).toBeGreaterThan(10 * MIB - CHUNK);
    files.free = 40 * MIB;
    const record = await store.download(wanted);
    expect(server.starts).toEqual([0, bytesDone]);
    expect(record.sha256).toBe(wanted.origin.sha256);
  });
});

describe('a source that has changed', () => {
  test('never becomes a model when it does not hash to the pin, and is deleted', async () => {
    const other = Buffer.from(gguf);
    other[11 * MIB] ^= 1;
    const server = await fileServer(() => other);
    const files = memoryFileStore();
    const store = await openStore(files);
    const error = await failure(store.download(model(server.url)));
    expect(error).toMatchObject({
      code: 'corrupt',
      message: 'What was downloaded is not Big as published (its SHA-256 differs), so it was deleted.',
    });
    expect(store.records()).toEqual([]);
    expect(files.contents.size).toBe(0);
  });

  test.each([
    ['another size', 10 * MIB, 'now has a file of 10485760 bytes instead of 14692409'],
    ['less than what is stored', 5 * MIB, 'now has a shorter file'],
  ])('with a pin and %s is refused; what was fetched of the right one stays', async (_, size, reason) => {
    let file = gguf;
    const server = await fileServer(() => file);
    const wanted = model(server.url);
    server.until = 9 * MIB;
    const files = await downloadUpTo(memoryFileStore(), wanted, 9 * MIB);
    server.until = Number.POSITIVE_INFINITY;
    file = gguf.subarray(0, size);
    const store = await openStore(files);
    expect(await failure(store.download(wanted))).toMatchObject({
      code: 'corrupt',
      message: `127.0.0.1 ${reason}: that is not Big as it was found.`,
    });
    file = gguf;
    expect((await store.download(wanted)).sha256).toBe(wanted.origin.sha256);
    expect(server.starts).toEqual([0, 9 * MIB, 9 * MIB]);
  });

  test('a pin that is another in a newer catalogue begins anew, and says why', async () => {
    const server = await fileServer();
    const old = model(server.url, { file: Buffer.from('another file') });
    server.until = 9 * MIB;
    const files = await downloadUpTo(memoryFileStore(), old, 9 * MIB);
    server.until = Number.POSITIVE_INFINITY;
    const notices: string[] = [];
    await (await openStore(files)).download(model(server.url), { onNotice: (notice) => notices.push(notice) });
    expect(notices).toEqual([
      'Big is another file now, so its download begins anew without the 9.4 MB fetched before.',
    ]);
    expect(storedBytes(files).equals(gguf)).toBe(true);
  });

  test('without a pin goes on when the last bytes are the same, and records the hash', async () => {
    const server = await fileServer();
    const wanted = model(server.url, { pin: false });
    server.until = 9 * MIB;
    const files = await downloadUpTo(memoryFileStore(), wanted, 9 * MIB);
    server.until = Number.POSITIVE_INFINITY;
    const store = await openStore(files);
    const record = await store.download(wanted);
    expect(server.starts).toEqual([0, 9 * MIB - CHUNK]);
    expect(record.sha256).toBe(model(server.url).origin.sha256);
    expect((await openStore(files)).record('big')?.sha256).toBe(record.sha256);
  });

  test('without a pin and with other bytes of the same size begins anew, says why, and goes on with those', async () => {
    let file = gguf;
    const server = await fileServer(() => file);
    server.date = 'Sat, 01 Aug 2026 00:00:00 GMT';
    const unpinned = model(server.url, { pin: false });
    const wanted = { ...unpinned, origin: { ...unpinned.origin, lastModified: server.date } };
    server.until = 9 * MIB;
    const files = await downloadUpTo(memoryFileStore(), wanted, 9 * MIB);
    file = Buffer.from(gguf).fill(7, 8_500_000);
    server.date = 'Tue, 01 Sep 2026 00:00:00 GMT';
    server.until = 10 * MIB;
    const notices: string[] = [];
    const onNotice = (notice: string) => notices.push(notice);
    const stop = new AbortController();
    const store = await openStore(files);
    const onProgress = (done: number) => done === 10 * MIB && stop.abort();
    await failure(store.download(wanted, { onNotice, onProgress, signal: stop.signal }));
    expect(notices).toHaveLength(1);
    expect(notices[0]).toMatch(/, so its download begins anew without the 9\.4 MB fetched before\.$/);
    server.until = Number.POSITIVE_INFINITY;
    // As whoever found the first file knows it.
    const record = await store.download(wanted, { onNotice });
    expect(notices).toHaveLength(1);
    expect(server.starts).toEqual([0, 9 * MIB - CHUNK, 0, 10 * MIB - CHUNK]);
    expect(record.sha256).toBe(createHash('sha256').update(file).digest('hex'));
    expect(record.origin).toMatchObject({ lastModified: server.date });
    expect(storedBytes(files).equals(file)).toBe(true);
  });

  test('in its bytes alone, where no header tells, begins anew too', async () => {
    let file = gguf;
    const server = await fileServer(() => file);
    const wanted = model(server.url, { pin: false });
    server.until = 9 * MIB;
    const files = await downloadUpTo(memoryFileStore(), wanted, 9 * MIB);
    server.until = Number.POSITIVE_INFINITY;
    file = Buffer.from(gguf).fill(7, 8_500_000);
    const notices: string[] = [];
    await (await openStore(files)).download(wanted, { onNotice: (notice) => notices.push(notice) });
    expect(notices[0]).toMatch(/^The source of Big has changed, so its download begins anew/);
    expect(storedBytes(files).equals(file)).toBe(true);
  });

  test.each([
    ['another size', 12 * MIB, 'now has a file of 12582912 bytes instead of 14692409', '13 MB'],
    ['a smaller size than what is stored', 8 * MIB + 5, 'now has a shorter file', '8.4 MB'],
  ])('without a pin and with %s is fetched only when it is asked for', async (_, size, reason, text) => {
    let file = gguf;
    const server = await fileServer(() => file);
    const wanted = model(server.url, { pin: false });
    server.until = 9 * MIB;
    const files = await downloadUpTo(memoryFileStore(), wanted, 9 * MIB);
    server.until = Number.POSITIVE_INFINITY;
    file = gguf.subarray(0, size);
    const store = await openStore(files);
    const error = await failure(store.download(wanted));
    expect(error.message).toBe(
      `127.0.0.1 ${reason}, so nothing that was fetched before is kept. What is there is a download of ${text}: it begins when you ask for it.`,
    );
    expect(files.contents.size).toBe(0);
    const another = (error as AnotherSize).model;
    expect(another).toEqual({ ...wanted, bytes: size });
    const record = await store.download(another);
    expect(server.starts).toEqual([0, 9 * MIB - CHUNK, 0]);
    expect(record).toMatchObject({ bytes: size, sha256: createHash('sha256').update(file).digest('hex') });
  });

  test('that will not stand still is given up', async () => {
    let day = 1;
    const url = await serve((request, response) => {
      response.setHeader('last-modified', new Date(2026, 7, day++).toUTCString());
      sendRange(gguf, request, response);
    });
    const { origin, ...rest } = model(url, { pin: false });
    const wanted = { ...rest, origin: { ...origin, lastModified: new Date(2026, 6, 1).toUTCString() } };
    const error = await failure((await openStore(memoryFileStore())).download(wanted));
    expect(error).toMatchObject({ code: 'corrupt', message: expect.stringContaining('is not Big as it was found') });
    expect(day).toBe(6);
  });
});

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
