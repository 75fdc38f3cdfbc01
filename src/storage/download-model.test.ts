import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { AnotherSize } from './download-model.ts';
import { directoryOf } from './record.ts';
import {
  CHUNK,
  downloadUpTo,
  fileServer,
  gguf,
  MIB,
  model,
  numbers,
  openStore,
  storedBytes,
} from './testing/big-model.ts';
import { failure } from './testing/failure.ts';
import { rangeOf, sendRange, serve } from './testing/file-server.ts';
import { memoryFileStore } from './testing/memory-file-store.ts';

const LONG = process.env.LAPIS_LONG === '1';

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

  test('before a byte was fetched is nothing to tell of', async () => {
    const server = await fileServer();
    const old = model(server.url, { file: Buffer.from('another file') });
    const files = await downloadUpTo(memoryFileStore(), old, 0);
    expect(await (await openStore(files)).unfinished()).toMatchObject([{ bytesDone: 0 }]);
    const notices: string[] = [];
    const onNotice = (notice: string) => notices.push(notice);
    await (await openStore(files)).download(model(server.url), { onNotice });
    expect(notices).toEqual([]);

    server.date = 'Tue, 01 Sep 2026 00:00:00 GMT';
    const unpinned = model(server.url, { pin: false });
    const origin = { ...unpinned.origin, lastModified: 'Sat, 01 Aug 2026 00:00:00 GMT' };
    await (await openStore(memoryFileStore())).download({ ...unpinned, origin }, { onNotice });
    expect(notices).toEqual([]);
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
