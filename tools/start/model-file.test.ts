import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LapisError } from '../../src/protocol/errors.ts';
import { modelFile } from './model-file.ts';

let cache: string;
let server: Server;
let base: string;
let requests: string[];
let answer: (request: IncomingMessage, response: ServerResponse) => void;

beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'lapis-cache-'));
  for (const name of ['XDG_CACHE_HOME', 'HOME', 'LOCALAPPDATA']) vi.stubEnv(name, cache);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  requests = [];
  // Each address gives a model of its own.
  answer = (request, response) => response.end(`GGUF ${request.url}`);
  server = createServer((request, response) => {
    requests.push(request.url ?? '');
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  server.closeAllConnections();
  server.close();
  await rm(cache, { recursive: true });
});

const get = (model: string, signal = new AbortController().signal) => modelFile(model, signal);

const failure = (model: string, signal?: AbortSignal): Promise<LapisError> =>
  get(model, signal).then(() => {
    throw new Error('It was downloaded.');
  }, LapisError.from);

/** What is left in the cache: whole models only, never a part. */
const kept = async () =>
  (await readdir(cache, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());

describe('a model from a URL', () => {
  test('is kept for its whole URL, and keeps its name', async () => {
    const urls = ['/a/model.gguf', '/b/model.gguf', '/b/model.gguf?revision=2'];
    const files = await Promise.all(urls.map((url) => get(base + url)));
    for (const [index, url] of urls.entries()) {
      expect(basename(files[index])).toBe('model.gguf');
      expect(await readFile(files[index], 'utf8')).toBe(`GGUF ${url}`);
    }
    expect(requests).toHaveLength(3);
    expect(await get(`${base}/a/model.gguf`)).toBe(files[0]);
    expect(requests).toHaveLength(3);
  });

  test('that breaks off is not kept, and comes whole the next time', async () => {
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('GGUF, the beginning', () => response.destroy());
    };
    const { code, message } = await failure(`${base}/model.gguf`);
    expect(code).toBe('network');
    expect(message).toMatch(/^http:\S+\/model\.gguf could not be downloaded: .+\.$/);
    expect(await kept()).toEqual([]);
    answer = (_, response) => response.end('GGUF, all of it');
    expect(await readFile(await get(`${base}/model.gguf`), 'utf8')).toBe('GGUF, all of it');
  });

  test.each<[string, (response: ServerResponse) => void, string]>([
    ['is not there', (response) => response.writeHead(404).end(), 'the server answered 404'],
    ['is a page', (response) => response.end('<!doctype html>Sign in'), 'what came is not a GGUF file'],
    ['is empty', (response) => response.end(), 'what came is not a GGUF file'],
  ])('that %s gives one sentence and is not kept', async (_, respond, reason) => {
    answer = (_, response) => respond(response);
    const { code, message } = await failure(`${base}/model.gguf`);
    expect({ code, message }).toEqual({
      code: 'network',
      message: `${base}/model.gguf could not be downloaded: ${reason}.`,
    });
    expect(await kept()).toEqual([]);
  });

  test('without a server gives the reason, not "fetch failed"', async () => {
    server.close();
    expect((await failure(`${base}/model.gguf`)).message).toMatch(/could not be downloaded: .*ECONNREFUSED.*\.$/);
  });

  test('can be given up, and leaves nothing', async () => {
    const stop = new AbortController();
    answer = (_, response) => void response.write('GGUF', () => stop.abort());
    expect(await failure(`${base}/model.gguf`, stop.signal)).toMatchObject({ code: 'aborted' });
    expect(await kept()).toEqual([]);
  });
});

test('what is neither a URL nor a file gives a sentence', async () => {
  expect((await failure('http://')).message).toBe('http:// is no URL.');
  expect((await failure(join(cache, 'absent.gguf'))).message).toBe(
    `There is no model at ${join(cache, 'absent.gguf')}.`,
  );
  expect((await failure(cache)).message).toBe(`${cache} is a folder: the browser takes a .gguf file.`);
});
