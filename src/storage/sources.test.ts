import { describe, expect, test } from 'vitest';
import { LapisError } from '../protocol/errors.ts';
import { CATALOGUE } from './catalogue.ts';
import type { Fetch } from './http-range.ts';
import type { ResolveOptions } from './sources.ts';
import { resolveSource } from './sources.ts';
import type { Answer } from './testing/file-server.ts';
import { serve } from './testing/file-server.ts';

const COMMIT = 'f9c28bcd85737ffc5aef028638d3341d49869c27';
const OID = 'ab'.repeat(32);

const HUB = 'https://huggingface.co';
const API = `${HUB}/api/models/ggml-org/gemma-3-1b-it-GGUF`;

const FILES = [
  { type: 'file', path: 'README.md', size: 1000 },
  { type: 'directory', path: 'quants', size: 0 },
  // The size of the pointer, as some answers have it.
  { type: 'file', path: 'a-Q4_K_M.gguf', size: 134, lfs: { oid: OID, size: 806_058_240, pointerSize: 134 } },
];
const QUANTS = [{ type: 'file', path: 'quants/b.gguf', size: 5000 }];

/** The hub's API for one repository; `asked` lists the addresses. */
function hub(changes: Record<string, Response> = {}, gated: boolean | string = false): Fetch & { asked: string[] } {
  const siblings = ['README.md', 'a-Q4_K_M.gguf', 'quants/b.gguf'].map((rfilename) => ({ rfilename }));
  const answers: Record<string, () => Response> = {
    [`${API}/revision/main`]: () => Response.json({ sha: COMMIT, gated, siblings }),
    [`${API}/revision/refs%2Fpr%2F1`]: () => Response.json({ sha: COMMIT, gated, siblings }),
    [`${API}/tree/${COMMIT}`]: () => Response.json(FILES),
    [`${API}/tree/${COMMIT}/quants`]: () => Response.json(QUANTS),
  };
  const asked: string[] = [];
  const fetch: Fetch = async (url) => {
    asked.push(url);
    return changes[url] ?? answers[url]?.() ?? new Response('Not found', { status: 404 });
  };
  return Object.assign(fetch, { asked });
}

async function failure(work: Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await work;
  } catch (error) {
    if (error instanceof LapisError) {
      expect(error.message).toMatch(/^[^\n]+\.$/);
      return error.toPayload();
    }
    throw error;
  }
  throw new Error('It did not fail.');
}

describe('a file on the hub', () => {
  test.each([
    'ggml-org/gemma-3-1b-it-GGUF/a-Q4_K_M.gguf',
    ' ggml-org/gemma-3-1b-it-GGUF@main/a-Q4_K_M.gguf ',
    'hf.co/ggml-org/gemma-3-1b-it-GGUF/a-Q4_K_M.gguf',
    'huggingface.co/ggml-org/gemma-3-1b-it-GGUF/blob/main/a-Q4_K_M.gguf',
    `${HUB}/ggml-org/gemma-3-1b-it-GGUF/blob/main/a-Q4_K_M.gguf`,
    `${HUB}/ggml-org/gemma-3-1b-it-GGUF/resolve/main/a-Q4_K_M.gguf?download=true`,
    'https://hf.co/ggml-org/gemma-3-1b-it-GGUF/resolve/refs%2Fpr%2F1/a-Q4_K_M.gguf',
  ])('is found as %s and pinned by commit, size and SHA-256', async (text) => {
    expect(await resolveSource(text, { fetch: hub() })).toEqual({
      id: 'hub:ggml-org/gemma-3-1b-it-GGUF/a-Q4_K_M.gguf@f9c28bcd8573',
      name: 'a-Q4_K_M',
      bytes: 806_058_240,
      license: expect.objectContaining({ name: 'Gemma Terms of Use' }),
      origin: {
        kind: 'url',
        url: `${HUB}/ggml-org/gemma-3-1b-it-GGUF/resolve/${COMMIT}/a-Q4_K_M.gguf`,
        sha256: OID,
      },
    });
  });

  test('in a folder is found there; one that is not in the large-file storage has no pin but its commit', async () => {
    const found = await resolveSource('ggml-org/gemma-3-1b-it-GGUF/quants/b.gguf', { fetch: hub() });
    expect(found).toMatchObject({ name: 'b', bytes: 5000 });
    expect(found.origin).toEqual({
      kind: 'url',
      url: `${HUB}/ggml-org/gemma-3-1b-it-GGUF/resolve/${COMMIT}/quants/b.gguf`,
    });
  });

  test('that is one of the catalogue is that one', async () => {
    const known = CATALOGUE.find(({ id }) => id === 'gemma-3-1b-it-q4_k_m');
    if (known?.origin.kind !== 'url') throw new Error('It is not in the catalogue.');
    const entry = {
      type: 'file',
      path: 'a-Q4_K_M.gguf',
      size: 1,
      lfs: { oid: known.origin.sha256, size: known.bytes },
    };
    const fetch = hub({ [`${API}/tree/${COMMIT}`]: Response.json([entry]) });
    const found = await resolveSource('ggml-org/gemma-3-1b-it-GGUF/a-Q4_K_M.gguf', { fetch });
    expect(found).toMatchObject({ id: known.id, name: known.name, bytes: known.bytes });
  });

  test('on a later page of a long folder is found', async () => {
    const next = `${API}/tree/${COMMIT}?cursor=x`;
    const first = Response.json([FILES[0]], { headers: { link: `<${next}>; rel="next"` } });
    const fetch = hub({ [`${API}/tree/${COMMIT}`]: first, [next]: Response.json(FILES) });
    expect(await resolveSource('ggml-org/gemma-3-1b-it-GGUF/a-Q4_K_M.gguf', { fetch })).toMatchObject({
      bytes: 806_058_240,
    });
  });

  const names = 'Its .gguf files: a-Q4_K_M.gguf, quants/b.gguf.';
  test.each([
    [
      'nobody/nothing/x.gguf',
      'bad-request',
      'There is no public repository nobody/nothing with a revision main on the hub.',
    ],
    [
      'ggml-org/gemma-3-1b-it-GGUF',
      'bad-request',
      `ggml-org/gemma-3-1b-it-GGUF is a repository: name one of its files. ${names}`,
    ],
    ['ggml-org/gemma-3-1b-it-GGUF/README.md', 'bad-request', `README.md is no .gguf file. ${names}`],
    [
      'ggml-org/gemma-3-1b-it-GGUF/c.gguf',
      'bad-request',
      `There is no c.gguf in ggml-org/gemma-3-1b-it-GGUF. ${names}`,
    ],
    [
      'ggml-org/gemma-3-1b-it-GGUF/c-00001-of-00002.gguf',
      'unsupported',
      'c-00001-of-00002.gguf is one part of a split file, which is not supported.',
    ],
  ])('%s is answered with a sentence', async (text, code, message) => {
    expect(await failure(resolveSource(text, { fetch: hub() }))).toEqual({ code, message });
  });

  test('that is gated, cannot be asked for or is answered with nonsense is said so', async () => {
    const text = 'ggml-org/gemma-3-1b-it-GGUF/a-Q4_K_M.gguf';
    expect(await failure(resolveSource(text, { fetch: hub({}, 'manual') }))).toMatchObject({
      code: 'not-allowed',
      message: expect.stringContaining('is gated: its owner wants you to sign in'),
    });
    const answer = (response: Response) => hub({ [`${API}/revision/main`]: response });
    expect((await failure(resolveSource(text, { fetch: answer(new Response('', { status: 401 })) }))).message).toBe(
      'There is no public repository ggml-org/gemma-3-1b-it-GGUF with a revision main on the hub.',
    );
    expect((await failure(resolveSource(text, { fetch: answer(new Response('', { status: 500 })) }))).message).toBe(
      'The hub could not be asked about ggml-org/gemma-3-1b-it-GGUF: it answered with status 500.',
    );
    expect(await failure(resolveSource(text, { fetch: answer(new Response('<html>')) }))).toEqual({
      code: 'network',
      message: 'The hub answered with something that it was not asked for.',
    });
    const offline = async () => {
      throw new TypeError('Failed to fetch');
    };
    expect(await failure(resolveSource(text, { fetch: offline }))).toMatchObject({
      code: 'network',
      message: expect.stringMatching(/^huggingface\.co could not be reached/),
    });
  });

  test.each([
    '',
    'gemma',
    'ftp://host/x.gguf',
    'javascript:alert(1)',
    'http://example.com/x.gguf',
    'http://127.0.0.1:8000/x.gguf',
    'https://',
    'https://user:secret@example.com/x.gguf',
    '../../etc/passwd',
    'owner/../x.gguf',
    'owner/repo/../../x.gguf',
    'owner/repo/a//b.gguf',
    'owner/repo/\u0000.gguf',
    'owner/repo@../x/y.gguf',
    `${HUB}/owner/repo/resolve/main/%00.gguf`,
    `${HUB}/%zz/x`,
    'x'.repeat(3000),
  ])('%j is no source, and nobody is asked', async (text) => {
    const fetch = hub();
    const { code, message } = await failure(resolveSource(text, { fetch }));
    expect(code).toBe('bad-request');
    expect(message.length).toBeLessThan(300);
    expect(message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(fetch.asked).toEqual([]);
  });
});

test('at an address without encryption is refused with what to do instead', async () => {
  expect(await failure(resolveSource('http://localhost:8000/x.gguf'))).toEqual({
    code: 'bad-request',
    message:
      '“http://localhost:8000/x.gguf” is not encrypted, so Lapis does not fetch it: use https://, or choose the file from disk.',
  });
});

describe('a file at any other address', () => {
  const file = Buffer.from(`GGUF${'x'.repeat(996)}`);
  const date = 'Tue, 01 Sep 2026 00:00:00 GMT';
  const source = 'https://127.0.0.1/model.gguf';

  /** Looks it up where a local server answers for its host. */
  const find = async (answer: Answer, options: ResolveOptions = {}) => {
    const url = await serve(answer);
    return resolveSource(source, { ...options, fetch: (_, init) => fetch(url, init) });
  };

  test('is known by the size and the date that its host shows', async () => {
    const found = await find(({ method }, response) => {
      if (method === 'HEAD') response.writeHead(200, { 'content-length': 1000, 'last-modified': date }).end();
      // A host that does not show Content-Range to another origin.
      else response.writeHead(206, { 'content-length': 4, 'last-modified': date }).end('GGUF');
    });
    expect(found).toMatchObject({
      name: 'model',
      bytes: 1000,
      origin: { kind: 'url', url: source, lastModified: date },
    });
    expect(found.id).toMatch(/^url:model:[0-9a-f]{12}$/);
  });

  test.each([
    ['Content-Range', 206, { 'content-range': 'bytes 0-3/1000', 'content-length': 4 }],
    ['the length of a whole reply', 200, { 'content-length': 1000 }],
  ])('tells its size by %s', async (_, status, headers) => {
    const found = await find(({ method }, response) => {
      if (method === 'HEAD') response.writeHead(405).end();
      else response.writeHead(status, headers).end(status === 200 ? file : 'GGUF');
    });
    expect(found.bytes).toBe(1000);
  });

  test('tells its size by a plain GET where HEAD is refused', async () => {
    const found = await find(({ method, headers }, response) => {
      if (method === 'HEAD') response.writeHead(403).end();
      else if (headers.range) response.writeHead(206).end('GGUF');
      else response.writeHead(200, { 'content-length': 1000 }).end(file);
    });
    expect(found.bytes).toBe(1000);
  });

  test('that cannot be had, is a page, is no model or has no size is said so', async () => {
    const message = async (status: number, body: string) =>
      (await failure(find((_, response) => response.writeHead(status).end(body)))).message;
    expect(await message(404, '')).toBe('127.0.0.1 does not give the file: the file is not there any more (404).');
    expect(await message(200, '<!doctype html>')).toBe(
      '127.0.0.1 sent a web page instead of the file: it may want you to sign in.',
    );
    expect(await message(200, 'PK zip')).toBe('What 127.0.0.1 sent is no GGUF file: it does not begin with "GGUF".');
    const chunked = find((_, response) => {
      response.writeHead(200).write('GGUF');
      response.end('more');
    });
    expect((await failure(chunked)).message).toBe('127.0.0.1 does not say how large the file is.');
  });

  test('is not waited for once it is aborted', async () => {
    const stop = new AbortController();
    const found = find(() => stop.abort(), { signal: stop.signal });
    expect(await failure(found)).toMatchObject({ code: 'aborted' });
  });
});
