import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ModelSource } from '../model/source.ts';
import { GEMMA_TERMS } from './catalogue.ts';
import type { Fetch } from './http-range.ts';
import { ModelStore } from './model-store.ts';
import { directoryOf } from './record.ts';
import { memoryFileStore } from './testing/memory-file-store.ts';

/*
 * One bit of a stored model is flipped, and the model is loaded as after a restart: nothing that was read from damaged bytes counts,
 * only what is damaged is fetched, and the disk is as it was. LAPIS_LONG=1 flips a thousand bits of each kind of model.
 */

const FLIPS = process.env.LAPIS_LONG === '1' ? 1_000 : 30;

const ID = 'small';
const URL_OF_MODEL = 'https://models.example/resolve/1/small.gguf';
const OPTIONS = { packageUrl: (path: string) => `package:${path}`, shardBytes: 1024 * 1024, chunkBytes: 1024 * 1024 };

type Contents = Map<string, Uint8Array<ArrayBuffer>>;

let gguf: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  gguf = new Uint8Array(await readFile(new URL('../../tests/goldens/reference/small-Q8_0.gguf', import.meta.url)));
});

/** What a model is stored from: it notes each request as `start-end` of the file, or as a file of the package. */
interface Source {
  requests: string[];
  fetch: Fetch;
  /** The request that brings a file back; undefined for what is made anew on this machine. */
  requestFor(file: string, stored: Contents): string | undefined;
}

function hub(): Source {
  const requests: string[] = [];
  return {
    requests,
    async fetch(_url, init) {
      const [, start, last] = /^bytes=(\d+)-(\d*)$/.exec(new Headers(init?.headers).get('range') ?? '') ?? [];
      const end = last ? Number(last) + 1 : gguf.length;
      requests.push(`${start}-${end}`);
      return new Response(gguf.slice(Number(start), end), { status: 206 });
    },
    requestFor(file, stored) {
      let start = 0;
      for (const name of [...stored.keys()].filter((name) => name.startsWith('shard-')).sort()) {
        const end = start + stored.get(name)!.length;
        if (name === file) return `${start}-${end}`;
        start = end;
      }
      return undefined;
    },
  };
}

function packageWith(folder: Contents): Source {
  const requests: string[] = [];
  return {
    requests,
    async fetch(url) {
      const file = url.replace('package:models/small/', '');
      requests.push(file);
      return new Response(folder.get(file));
    },
    requestFor: (file) => (file.startsWith('record') ? undefined : file),
  };
}

/** Stands for an answer: it depends on every byte that a model is made of, and counts only when the reading has ended. */
async function answerOf({ config, tokenizer, tensors, weights }: ModelSource): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([config, tokenizer, tensors]));
  for await (const { bytes } of weights()) hash.update(bytes);
  return hash.digest('hex');
}

async function downloaded(files: ReturnType<typeof memoryFileStore>): Promise<Source> {
  const source = hub();
  const store = await ModelStore.open({ ...OPTIONS, files, fetch: source.fetch });
  const origin = { kind: 'url' as const, url: URL_OF_MODEL, sha256: createHash('sha256').update(gguf).digest('hex') };
  await store.download({ id: ID, name: 'Small', bytes: gguf.length, license: GEMMA_TERMS, origin });
  return source;
}

async function packaged(files: ReturnType<typeof memoryFileStore>): Promise<Source> {
  const made = memoryFileStore();
  await downloaded(made);
  const source = packageWith(made.contents.get(directoryOf(ID))!);
  const store = await ModelStore.open({ ...OPTIONS, files, fetch: source.fetch });
  const origin = { kind: 'package' as const, path: 'models/small' };
  await store.ensurePackaged({ id: ID, name: 'Small', bytes: 0, license: GEMMA_TERMS, origin });
  return source;
}

/** mulberry32: uniform in [0, 1). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe.each([
  ['a downloaded GGUF', downloaded, 4],
  ['packaged shards', packaged, 3],
] as const)('a flipped bit in %s', (_kind, stored, otherFiles) => {
  test(`is found before any text, and repaired: ${FLIPS} of them`, async () => {
    const files = memoryFileStore();
    const source = await stored(files);
    const folder = files.contents.get(directoryOf(ID))!;
    const whole = new Map(Array.from(folder, ([name, bytes]) => [name, bytes.slice()]));
    const names = [...whole.keys()].sort();
    expect(names.filter((name) => !name.startsWith('shard-'))).toHaveLength(otherFiles);
    const answer = await (await ModelStore.open({ ...OPTIONS, files })).load(ID, answerOf);

    const random = randomFrom(3);
    for (let flip = 0; flip < FLIPS; flip++) {
      const name = names[flip % names.length];
      const bit = Math.floor(random() * whole.get(name)!.length * 8);
      folder.get(name)![bit >> 3] ^= 1 << (bit & 7);
      source.requests.length = 0;
      const context = `bit ${bit} of ${name}`;

      const store = await ModelStore.open({ ...OPTIONS, files, fetch: source.fetch });
      const given: string[] = [];
      await store.load(ID, async (model) => given.push(await answerOf(model)));

      expect(given, context).toEqual([answer]);
      expect(store.notices, context).toEqual([
        expect.stringMatching(/damaged .* of Small .*was found and (repaired|made)/),
      ]);
      const request = source.requestFor(name, whole);
      expect(source.requests, context).toEqual(request ? [request] : []);
      expect([...folder.keys()].sort(), context).toEqual(names);
      for (const [file, bytes] of whole) expect(Buffer.compare(folder.get(file)!, bytes), context).toBe(0);
    }
  });
});
