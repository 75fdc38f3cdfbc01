import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { LapisError } from '../protocol/errors.ts';
import type { DownloadOptions } from './download.ts';
import { download } from './download.ts';

const FILE = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251));

const servers: ReturnType<typeof createServer>[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.gguf`;
}

function ranged(request: IncomingMessage, response: ServerResponse): void {
  const [, start, end] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? [];
  response.writeHead(206, { 'content-range': `bytes ${start}-${end}/${FILE.length}` });
  response.end(FILE.subarray(Number(start), Number(end) + 1));
}

async function collect(url: string, offset = 0, options: DownloadOptions = {}): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of download(url, offset, FILE.length, options)) pieces.push(piece);
  return Buffer.concat(pieces);
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

describe('a download', () => {
  test('asks for a range and follows a redirect to another host', async () => {
    const storage = await serve(ranged);
    const hub = await serve((_, response) => response.writeHead(302, { location: storage }).end());
    expect((await collect(hub, 70_000)).equals(FILE.subarray(70_000))).toBe(true);
  });

  test('takes the right part when a server ignores the range', async () => {
    const url = await serve((_, response) => response.writeHead(200).end(FILE));
    expect((await collect(url, 70_000)).equals(FILE.subarray(70_000))).toBe(true);
  });

  test.each([
    [404, 'the file is not there any more (404)'],
    [401, 'it refuses the file (401)'],
    [416, 'the file is shorter than expected (416)'],
    [429, 'it asks for a pause after too many downloads (429)'],
    [503, 'it answered with status 503'],
  ])('says in a sentence what status %i means', async (status, reason) => {
    const error = await failure(collect(await serve((_, response) => response.writeHead(status).end())));
    expect(error).toMatchObject({ code: 'network', message: `The download from 127.0.0.1 failed: ${reason}.` });
  });

  test('fails when the connection breaks or the body ends early', async () => {
    const broken = await serve((_, response) => {
      response.writeHead(206, { 'content-length': String(FILE.length) });
      response.write(FILE.subarray(0, 10_000), () => response.destroy());
    });
    expect(await failure(collect(broken))).toMatchObject({ code: 'network' });
    const short = await serve((_, response) => response.writeHead(206).end(FILE.subarray(0, 10_000)));
    expect((await failure(collect(short))).message).toBe(
      'The download from 127.0.0.1 broke off after 10000 of 100000 bytes.',
    );
  });

  test('fails when nothing comes any more', async () => {
    const stalled = await serve((_, response) => {
      response.writeHead(206);
      response.write(FILE.subarray(0, 10));
    });
    const error = await failure(collect(stalled, 0, { stallMs: 1_000 }));
    expect(error.message).toBe('127.0.0.1 has sent nothing for 1 seconds.');
  });

  test('ends when it is cancelled, and lets the connection go', async () => {
    const stop = new AbortController();
    let closed: () => void = () => {};
    const connectionClosed = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const url = await serve((_, response) => {
      response.writeHead(206);
      response.write(FILE.subarray(0, 10));
      response.on('close', () => closed());
      setTimeout(() => stop.abort(), 50);
    });
    expect(await failure(collect(url, 0, { signal: stop.signal }))).toMatchObject({ code: 'aborted' });
    await connectionClosed;
  });
});
