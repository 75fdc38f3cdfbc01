import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { RECIPE } from '../model/derived-norms.ts';
import { WEIGHTS_SCHEMA_VERSION } from '../model/schema-version.ts';
import { openShards } from '../model/shards.ts';
import type { ModelSource } from '../model/source.ts';
import type { CatalogueModel } from './catalogue.ts';
import { GEMMA_TERMS } from './catalogue.ts';
import { environment } from './environment.ts';
import type { Fetch } from './http-range.ts';
import type { DownloadableModel } from './model-store.ts';
import { ModelStore } from './model-store.ts';
import { sweep } from './purge.ts';
import { directoryOf, JOURNAL_FILE, RECORD_FILE } from './record.ts';
import type { RetryClock } from './retry.ts';
import { incrementalSha256 } from './sha256.ts';
import { storedFolder } from './stored-folder.ts';
import { failure } from './testing/failure.ts';
import { memoryFileStore } from './testing/memory-file-store.ts';

type Memory = ReturnType<typeof memoryFileStore>;

const SHARD_BYTES = 512 * 1024;
const URL_OF_MODEL = 'https://models.example/resolve/1/small.gguf';

let gguf: Uint8Array<ArrayBuffer>;
let pinned: CatalogueModel & DownloadableModel;

beforeAll(async () => {
  gguf = new Uint8Array(await readFile(new URL('../../tests/goldens/reference/small-Q8_0.gguf', import.meta.url)));
  const hash = incrementalSha256();
  hash.update(gguf);
  const origin = { kind: 'url' as const, url: URL_OF_MODEL, sha256: hash.hex() };
  pinned = { id: 'small', name: 'Small', bytes: gguf.length, license: GEMMA_TERMS, origin };
});

/** A hub that honours ranges; `served` lists them. `failAfter` breaks the body off after that many bytes of the file. */
function hub({ file = gguf, failAfter = Infinity } = {}): Fetch & { served: string[] } {
  const served: string[] = [];
  const fetch: Fetch = async (_url, init) => {
    const range = new Headers(init?.headers).get('range') ?? '';
    served.push(range);
    const [, start, last] = /^bytes=(\d+)-(\d*)$/.exec(range) ?? [];
    const from = Number(start);
    const bytes = file.slice(from, Math.min(last ? Number(last) + 1 : file.length, failAfter));
    let at = 0;
    const body = new ReadableStream({
      pull(controller) {
        if (at < bytes.length) {
          controller.enqueue(bytes.slice(at, at + 100_000));
          at += 100_000;
        } else if (failAfter < file.length) controller.error(new TypeError('network error'));
        else controller.close();
      },
    });
    return new Response(body, { status: 206 });
  };
  return Object.assign(fetch, { served });
}

/** Time that passes at once. */
const clock: RetryClock = { now: () => 0, random: () => 0, sleep: async () => {} };

const OPTIONS = {
  packageUrl: (path: string) => `package:${path}`,
  shardBytes: SHARD_BYTES,
  chunkBytes: 256 * 1024,
  clock,
};

const offline: Fetch = async () => {
  throw new TypeError('Failed to fetch');
};

function openStore(files: Memory, fetch: Fetch = offline): Promise<ModelStore> {
  return ModelStore.open({ ...OPTIONS, files, fetch });
}

function fileOf(bytes: Uint8Array<ArrayBuffer>, name = 'mine.gguf'): File {
  return new File([bytes], name);
}

/** Reads all weights, as a load does, and returns how many bytes there were. */
async function readWeights(source: ModelSource): Promise<number> {
  let bytes = 0;
  for await (const chunk of source.weights()) bytes += chunk.bytes.length;
  return bytes;
}

function shards(files: Memory, id: string): string[] {
  return [...(files.contents.get(directoryOf(id))?.keys() ?? [])].filter((name) => name.startsWith('shard-')).sort();
}

function flipBit(files: Memory, id: string, file: string): void {
  const bytes = files.contents.get(directoryOf(id))?.get(file);
  if (!bytes) throw new Error(`${file} is not stored`);
  bytes[Math.floor(bytes.length / 2)] ^= 1;
}

function editRecord(files: Memory, id: string, change: (record: Record<string, unknown>) => void): void {
  const directory = files.contents.get(directoryOf(id))!;
  const record = JSON.parse(new TextDecoder().decode(directory.get(RECORD_FILE)).split('\n')[0]);
  change(record);
  directory.set(RECORD_FILE, new TextEncoder().encode(JSON.stringify(record)));
}

/** A package with one shard folder at models/demo, made from the golden. */
async function packageOf(): Promise<{
  demo: CatalogueModel;
  fetch: Fetch;
  folder: Map<string, Uint8Array<ArrayBuffer>>;
}> {
  const files = memoryFileStore();
  await (await openStore(files)).importFile(fileOf(gguf));
  const folder = files.contents.get(directoryOf('file:mine.gguf'))!;
  const fetch: Fetch = async (url) => {
    const bytes = folder.get(url.replace('package:models/demo/', ''));
    return bytes ? new Response(bytes) : new Response(null, { status: 404 });
  };
  const origin = { kind: 'package' as const, path: 'models/demo' };
  return { demo: { id: 'demo', name: 'Demo', bytes: 0, license: GEMMA_TERMS, origin }, fetch, folder };
}

describe('importing a file', () => {
  test('stores its bytes unchanged as shards that load again after a restart', async () => {
    const files = memoryFileStore();
    const progress: number[] = [];
    const record = await (await openStore(files)).importFile(fileOf(gguf), {
      onProgress: (done) => progress.push(done),
    });
    expect(record).toMatchObject({ id: 'file:mine.gguf', name: 'mine', bytes: gguf.length });
    const directory = files.contents.get(directoryOf(record.id))!;
    const names = shards(files, record.id);
    expect(names.length).toBeGreaterThan(2);
    expect(Buffer.concat(names.map((name) => directory.get(name)!)).equals(gguf)).toBe(true);
    expect(progress.at(-1)).toBe(gguf.length);

    const again = await openStore(files);
    expect(again.notices).toEqual([]);
    const source = await openShards(storedFolder(files, directoryOf(record.id)));
    expect(await again.load(record.id, readWeights)).toBe(source.tensors.reduce((sum, { bytes }) => sum + bytes, 0));
  });

  test('refuses what is no model before storing a byte', async () => {
    const files = memoryFileStore();
    const store = await openStore(files);
    const error = await failure(
      store.importFile(fileOf(new TextEncoder().encode('hello, I am not a model'.repeat(9)))),
    );
    expect(error.code).toBe('corrupt');
    expect(files.contents.size).toBe(0);
  });

  test('says how much space is missing', async () => {
    const error = await failure((await openStore(memoryFileStore(1000))).importFile(fileOf(gguf)));
    expect(error).toMatchObject({ code: 'quota', message: expect.stringContaining('has only 1.0 kB left') });
  });

  test('leaves nothing behind when it is cancelled', async () => {
    const files = memoryFileStore();
    const stop = new AbortController();
    const store = await openStore(files);
    const error = await failure(
      store.importFile(fileOf(gguf), { signal: stop.signal, onProgress: (done) => done > 600_000 && stop.abort() }),
    );
    expect(error.code).toBe('aborted');
    expect(files.contents.size).toBe(0);
  });
});

describe('downloading', () => {
  test('stores the pinned bytes', async () => {
    const files = memoryFileStore();
    const store = await openStore(files, hub());
    await store.download(pinned);
    expect(await store.load('small', readWeights)).toBeGreaterThan(0);
  });

  test('goes on at the byte reached after the connection broke', async () => {
    const files = memoryFileStore();
    // A header is looked for in the first 8 MiB, so what breaks earlier leaves nothing: the golden is padded beyond that.
    const file = new Uint8Array(12_000_000);
    file.set(gguf);
    const hash = incrementalSha256();
    hash.update(file);
    const model = {
      ...pinned,
      bytes: file.length,
      origin: { kind: 'url' as const, url: URL_OF_MODEL, sha256: hash.hex() },
    };
    const broken = await failure((await openStore(files, hub({ file, failAfter: 10_000_000 }))).download(model));
    expect(broken).toMatchObject({ code: 'network', message: expect.stringContaining('models.example') });
    expect(files.contents.get(directoryOf('small'))?.has(JOURNAL_FILE)).toBe(true);
    const kept = shards(files, 'small').reduce(
      (sum, name) => sum + files.contents.get(directoryOf('small'))!.get(name)!.length,
      0,
    );
    expect(kept).toBeGreaterThan(9_000_000);

    const whole = hub({ file });
    const store = await openStore(files, whole);
    expect(store.records()).toEqual([]);
    await store.download(model);
    expect(whole.served).toEqual([`bytes=${kept}-`]);
    expect(await store.load('small', readWeights)).toBeGreaterThan(0);
  });

  test('deletes bytes that are not the pinned ones', async () => {
    const files = memoryFileStore();
    const other = gguf.slice();
    other[other.length - 1] ^= 1;
    const error = await failure((await openStore(files, hub({ file: other }))).download(pinned));
    expect(error).toMatchObject({ code: 'corrupt', message: expect.stringContaining('SHA-256 differs') });
    expect(files.contents.size).toBe(0);
  });

  test('fails with the cause in a sentence', async () => {
    const refused = await failure(
      (await openStore(memoryFileStore(), async () => new Response('', { status: 403 }))).download(pinned),
    );
    expect(refused.message).toBe('The download from models.example failed: it refuses the file (403).');
    const unreachable = await failure((await openStore(memoryFileStore(), offline)).download(pinned));
    expect(unreachable.message).toBe(
      'The connection to models.example failed: check that this machine is online. Lapis tried 8 times.',
    );
    const short = await failure(
      (await openStore(memoryFileStore(), async () => new Response(gguf.slice(0, 900_000)))).download(pinned),
    );
    expect(short.message).toContain('broke off after 900000 of');
  });
});

describe('integrity', () => {
  test('a flipped bit in a downloaded shard is found and repaired with one range', async () => {
    const files = memoryFileStore();
    await (await openStore(files, hub())).download(pinned);
    flipBit(files, 'small', 'shard-00001.bin');
    const source = hub();
    const store = await openStore(files, source);
    expect(await store.load('small', readWeights)).toBeGreaterThan(0);
    expect(store.notices).toEqual([
      'A damaged part of Small (shard-00001.bin) was found and repaired from models.example.',
    ]);
    const [first, second] = store.record('small')!.shards;
    expect(source.served).toEqual([`bytes=${first.bytes}-${first.bytes + second.bytes - 1}`]);

    const again = await openStore(files);
    await again.load('small', readWeights);
    expect(again.notices).toEqual([]);
  });

  test('a shard that the disk does not give back is fetched again like a damaged one', async () => {
    const files = memoryFileStore();
    await (await openStore(files, hub())).download(pinned);
    const open = files.open;
    const folder = directoryOf('small');
    const bad = files.contents.get(folder)!.get('shard-00001.bin');
    files.open = async (directory, name, mode) => {
      const file = await open(directory, name, mode);
      // A sector of what was written first: another write takes another one.
      if (files.contents.get(folder)?.get(name) !== bad) return file;
      const read = () => {
        throw new DOMException('A bad sector.', 'NotReadableError');
      };
      return { ...file, read };
    };
    const source = hub();
    const store = await openStore(files, source);
    expect(await store.load('small', readWeights)).toBeGreaterThan(0);
    expect(store.notices).toEqual([
      'A damaged part of Small (shard-00001.bin) was found and repaired from models.example.',
    ]);
    expect(source.served).toHaveLength(1);
  });

  test('a damaged import asks for its file, and no weights are given out as whole', async () => {
    const files = memoryFileStore();
    const { id } = await (await openStore(files)).importFile(fileOf(gguf));
    flipBit(files, id, 'shard-00001.bin');
    const error = await failure((await openStore(files)).load(id, readWeights));
    expect(error).toMatchObject({ code: 'corrupt', message: expect.stringContaining('choose its file again') });
  });

  test('a damaged manifest is derived again from the shards', async () => {
    const files = memoryFileStore();
    const { id } = await (await openStore(files)).importFile(fileOf(gguf));
    flipBit(files, id, 'manifest.json');
    const store = await openStore(files);
    expect(await store.load(id, readWeights)).toBeGreaterThan(0);
    expect(store.notices).toEqual(['The damaged manifest of mine was found and made anew.']);
  });

  test('a record that was damaged behind an open store is written again from memory when the model is verified', async () => {
    const files = memoryFileStore();
    const store = await openStore(files);
    const record = await store.importFile(fileOf(gguf));
    for (const name of ['record.json', 'record.copy.json']) flipBit(files, record.id, name);
    expect(await store.verify(record.id)).toEqual({
      damaged: ['The record of mine was damaged.'],
      repaired: ['The damaged record of mine was found and repaired.'],
    });
    expect((await openStore(files)).record(record.id)).toEqual(record);
  });

  test('a missing shard of the packaged model is copied again', async () => {
    const { demo, fetch } = await packageOf();
    const files = memoryFileStore();
    const store = await openStore(files, fetch);
    await store.ensurePackaged(demo);
    files.contents.get(directoryOf('demo'))!.delete('shard-00000.bin');
    expect(await store.load('demo', readWeights)).toBeGreaterThan(0);
    expect(store.notices).toEqual([
      'A damaged part of Demo (shard-00000.bin) was found and repaired from the extension.',
    ]);
  });
});

test('the catalogue offers a packaged model with its size, and only where it is packaged', async () => {
  const { demo, fetch } = await packageOf();
  const withPackage = await openStore(memoryFileStore(), fetch);
  expect(await withPackage.available([demo, pinned])).toEqual([{ ...demo, bytes: gguf.length }, pinned]);
  const without = await openStore(memoryFileStore(), async () => new Response(null, { status: 404 }));
  expect(await without.available([demo, pinned])).toEqual([pinned]);
});

describe('the schema version', () => {
  test.each([0, 999])(
    'the packaged model stored under version %i is purged before anything is served',
    async (version) => {
      const { demo, fetch } = await packageOf();
      const files = memoryFileStore();
      await (await openStore(files, fetch)).ensurePackaged(demo);
      editRecord(files, 'demo', (record) => {
        record.schemaVersion = version;
      });
      const store = await openStore(files, fetch);
      expect(store.record('demo')).toBeUndefined();
      expect(files.contents.has(directoryOf('demo'))).toBe(false);
      expect(store.notices).toHaveLength(1);
      expect(store.notices[0]).toMatch(
        new RegExp(
          `Demo was made under weights version ${version}, .* it was deleted, which freed .* MB\\. It is copied again`,
        ),
      );
      await store.ensurePackaged(demo);
      expect(await store.load('demo', readWeights)).toBeGreaterThan(0);
    },
  );

  test.each([0, 999])('of a GGUF stored under version %i only what was derived is made anew', async (version) => {
    const files = memoryFileStore();
    const { id } = await (await openStore(files)).importFile(fileOf(gguf));
    editRecord(files, id, (record) => {
      record.schemaVersion = version;
    });
    const directory = files.contents.get(directoryOf(id))!;
    directory.set('manifest.json', new TextEncoder().encode('{"stale": true}'));
    const store = await openStore(files);
    expect(store.notices[0]).toContain('made anew, without a download');
    expect(await store.load(id, readWeights)).toBeGreaterThan(0);
  });

  test('of a download that cannot be made anew leaves where it can be had again, until it is or is given up', async () => {
    const files = memoryFileStore();
    await (await openStore(files, hub())).download(pinned);
    editRecord(files, 'small', (record) => {
      record.layout = 0;
    });
    const purged = await openStore(files);
    expect(purged.notices[0]).toMatch(
      /^The stored copy of Small .*: it was deleted, .*\. Download it again in the settings, which is 6\.2 MB\.$/,
    );
    expect(purged.record('small')).toBeUndefined();
    expect(shards(files, 'small')).toEqual([]);
    const { id, name, bytes, license, origin } = pinned;
    const offer = { id, name, bytes, license, origin };
    expect(purged.offers()).toEqual([offer]);

    const store = await openStore(files, hub());
    expect(store.notices).toEqual([]);
    expect(store.offers()).toEqual([offer]);
    expect(await store.unfinished()).toEqual([]);
    await store.download(store.offers()[0]);
    expect(store.offers()).toEqual([]);
    expect((await openStore(files)).offers()).toEqual([]);

    editRecord(files, 'small', (record) => {
      record.layout = 0;
    });
    const again = await openStore(files);
    await again.remove('small');
    expect(again.offers()).toEqual([]);
    expect(files.contents.size).toBe(0);
  });

  test('raised in the code, it purges what an older Lapis stored', async () => {
    const { demo, fetch } = await packageOf();
    const files = memoryFileStore();
    await (await openStore(files, fetch)).ensurePackaged(demo);
    const env = environment({ ...OPTIONS, files });
    const unchanged = await sweep(env);
    expect(unchanged.records.has('demo')).toBe(true);
    const { records, notices } = await sweep({
      ...env,
      recipe: { ...RECIPE, schemaVersion: WEIGHTS_SCHEMA_VERSION + 1 },
    });
    expect(records.size).toBe(0);
    expect(notices[0]).toContain(`this Lapis reads version ${WEIGHTS_SCHEMA_VERSION + 1}: it was deleted`);
    expect(files.contents.size).toBe(0);
  });

  test('a record that cannot be read is purged', async () => {
    const files = memoryFileStore();
    const { id } = await (await openStore(files)).importFile(fileOf(gguf));
    const directory = files.contents.get(directoryOf(id))!;
    for (const name of directory.keys()) if (name.startsWith('record')) directory.set(name, new Uint8Array(7));
    const store = await openStore(files);
    expect(store.records()).toEqual([]);
    expect(store.notices[0]).toContain('whose record was damaged was deleted');
    expect(files.contents.size).toBe(0);
  });

  test('another layout is purged, and an update of the package replaces the copy', async () => {
    const { demo, fetch, folder } = await packageOf();
    const files = memoryFileStore();
    await (await openStore(files, fetch)).ensurePackaged(demo);
    folder.set('manifest.json', new TextEncoder().encode(`${new TextDecoder().decode(folder.get('manifest.json'))}\n`));
    const store = await openStore(files, fetch);
    const before = store.record('demo');
    expect(await store.ensurePackaged(demo)).not.toBe(before);

    editRecord(files, 'demo', (record) => {
      record.layout = 2;
    });
    expect((await openStore(files, fetch)).notices[0]).toContain('storage layout 2');
  });
});
