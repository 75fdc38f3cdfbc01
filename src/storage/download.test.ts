import { describe, expect, test } from 'vitest';
import { LapisError } from '../protocol/errors.ts';
import type { TransferOptions } from './download.ts';
import { download } from './download.ts';
import { SourceChanged } from './http-range.ts';
import type { RetryClock } from './retry.ts';
import { backoffMs, retryAfterMs } from './retry.ts';
import { failure } from './testing/failure.ts';
import type { Answer } from './testing/file-server.ts';
import { breakable, rangeOf, sendRange, serve } from './testing/file-server.ts';

const FILE = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
FILE.write('GGUF');

/** Time that passes at once, and notes how long it would have been. */
function quick(): RetryClock & { waits: number[] } {
  const waits: number[] = [];
  return { waits, now: () => 1_000_000, random: () => 0, sleep: async (ms) => void waits.push(ms) };
}

interface Case extends TransferOptions {
  offset?: number;
  unpinned?: { lastModified?: string };
  reached?: (position: number) => void;
}

async function collect(url: string, { offset = 0, unpinned, reached, ...options }: Case = {}): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  const request = { url, offset, end: FILE.length, total: FILE.length, unpinned };
  for await (const piece of download(request, { clock: quick(), ...options })) {
    pieces.push(piece.slice());
    reached?.(offset + pieces.reduce((sum, { length }) => sum + length, 0));
  }
  return Buffer.concat(pieces);
}

const ranged: Answer = (request, response) => sendRange(FILE, request, response);

/** Answers the nth request in the nth way, and the rest in the last. */
function inTurn(...answers: Answer[]): Answer & { ranges: (string | undefined)[] } {
  const ranges: (string | undefined)[] = [];
  const answer: Answer = (request, response) => {
    ranges.push(request.headers.range);
    answers[Math.min(ranges.length, answers.length) - 1](request, response);
  };
  return Object.assign(answer, { ranges });
}

const status =
  (code: number, headers = {}): Answer =>
  (_, response) =>
    response.writeHead(code, headers).end();

describe('a download', () => {
  test('asks for a range and follows a redirect to another host', async () => {
    const storage = await serve(ranged);
    const hub = await serve(status(302, { location: storage }));
    expect((await collect(hub, { offset: 70_000 })).equals(FILE.subarray(70_000))).toBe(true);
  });

  test('takes the right part when a server ignores the range', async () => {
    const url = await serve((_, response) => response.writeHead(200).end(FILE));
    expect((await collect(url, { offset: 70_000 })).equals(FILE.subarray(70_000))).toBe(true);
  });

  test.each([
    [401, 'it refuses the file (401)'],
    [403, 'it refuses the file (403)'],
    [404, 'the file is not there any more (404)'],
    [410, 'the file is not there any more (410)'],
    [416, 'it has no bytes in that file (416)'],
    [451, 'it answered with status 451'],
  ])('fails at once and says in a sentence what status %i means', async (code, reason) => {
    const answer = inTurn(status(code));
    const error = await failure(collect(await serve(answer)));
    expect(error).toMatchObject({ code: 'network', message: `The download from 127.0.0.1 failed: ${reason}.` });
    expect(answer.ranges).toHaveLength(1);
  });

  test('goes on at the byte that was reached when the connection breaks, without a byte twice', async () => {
    const { upTo, reached } = breakable(FILE);
    const answer = inTurn(upTo(100_000), upTo(200_001), ranged);
    const clock = quick();
    const phases: string[] = [];
    const got = await collect(await serve(answer), {
      clock,
      reached,
      onRetry: ({ retryAt, error }) => phases.push(`${retryAt} ${error.message}`),
      onFlow: () => phases.push('flow'),
    });
    expect(got.equals(FILE)).toBe(true);
    expect(answer.ranges).toEqual(['bytes=0-', 'bytes=100000-', 'bytes=200001-']);
    // Each break came after new bytes, so none waits longer than the first.
    expect(clock.waits).toEqual([1000, 1000]);
    const sentence = 'The connection to 127.0.0.1 failed: check that this machine is online.';
    expect(phases).toEqual(['flow', `1001000 ${sentence}`, 'flow', `1001000 ${sentence}`, 'flow']);
  });

  test('waits longer after each failure in a row, and gives up after eight', async () => {
    const answer = inTurn(status(503));
    const clock = quick();
    const error = await failure(collect(await serve(answer), { clock }));
    expect(error).toMatchObject({
      code: 'network',
      message: 'The download from 127.0.0.1 failed: it answered with status 503. Lapis tried 8 times.',
    });
    expect(answer.ranges).toHaveLength(8);
    expect(clock.waits).toEqual([1000, 1000, 2000, 4000, 8000, 15_000, 15_000]);
  });

  test('a new byte starts the count of failures again', async () => {
    const failing = Array.from({ length: 7 }, () => status(500));
    const { upTo, reached } = breakable(FILE);
    // The break is the first failure of the second row.
    const answer = inTurn(...failing, upTo(99_000), ...failing.slice(1), ranged);
    expect((await collect(await serve(answer), { reached })).equals(FILE)).toBe(true);
    expect(answer.ranges).toHaveLength(15);
  });

  test('honours Retry-After in seconds and as a date', async () => {
    const inHalfAMinute = new Date(Date.now() + 30_000).toUTCString();
    const answer = inTurn(
      status(429, { 'retry-after': '17' }),
      status(503, { 'retry-after': inHalfAMinute }),
      status(503, { 'retry-after': '86400' }),
      status(503, { 'retry-after': 'soon' }),
      ranged,
    );
    const clock = quick();
    expect((await collect(await serve(answer), { clock })).equals(FILE)).toBe(true);
    const [seconds, date, capped, unreadable] = clock.waits;
    expect(seconds).toBe(17_000);
    expect(date).toBeGreaterThan(27_000);
    expect(date).toBeLessThanOrEqual(30_000);
    expect(capped).toBe(300_000);
    expect(unreadable).toBe(4000);
  });

  test('does not wait any longer once the machine is online again, unless the server asked for it', async () => {
    const network = new EventTarget();
    const woken: boolean[] = [];
    const clock: RetryClock = {
      ...quick(),
      network,
      async sleep(_, wake) {
        network.dispatchEvent(new Event('online'));
        woken.push(wake.aborted);
      },
    };
    const answer = inTurn(status(503), status(429, { 'retry-after': '9' }), ranged);
    await collect(await serve(answer), { clock });
    expect(woken).toEqual([true, false]);
  });

  test('a reply that ends early is asked on for, and one that is too long is cut', async () => {
    const short = inTurn(
      (request, response) => response.writeHead(206).end(FILE.subarray(rangeOf(request, FILE.length).start, 90_000)),
      (_, response) => response.writeHead(206).end(),
      ranged,
    );
    const clock = quick();
    expect((await collect(await serve(short), { clock })).equals(FILE)).toBe(true);
    expect(short.ranges).toEqual(['bytes=0-', 'bytes=90000-', 'bytes=90000-']);
    // The server that cuts its replies is asked again at once, the one that sent nothing later.
    expect(clock.waits).toHaveLength(1);
    const long = await serve((_, response) => response.writeHead(206).end(Buffer.concat([FILE, FILE])));
    expect((await collect(long)).equals(FILE)).toBe(true);
  });

  test('does not take a part for another', async () => {
    const answer = inTurn(
      (_, response) => response.writeHead(206, { 'content-range': 'bytes 5-299999/300000' }).end(FILE.subarray(5)),
      ranged,
    );
    const messages: string[] = [];
    const got = await collect(await serve(answer), { onRetry: ({ error }) => messages.push(error.message) });
    expect(got.equals(FILE)).toBe(true);
    expect(messages).toEqual(['127.0.0.1 sent the file from byte 5 when asked for it from byte 0.']);
  });

  test('tells a sign-in page, and anything else that is no model, from the file', async () => {
    const page = await serve((_, response) => response.writeHead(200).end('\n<!DOCTYPE html><title>Sign in</title>'));
    const message = '127.0.0.1 sent a web page instead of the file: it may want you to sign in.';
    expect(await failure(collect(page))).toMatchObject({ code: 'network', message });
    // In the middle too, where nothing else would show it before the end.
    expect((await failure(collect(page, { offset: 5 }))).message).toBe(message);
    const other = await serve((_, response) => response.writeHead(206).end('hello'.repeat(100_000)));
    expect((await failure(collect(other))).message).toBe(
      'What 127.0.0.1 sent is no GGUF file: it does not begin with "GGUF".',
    );
  });

  test('takes a file that comes byte by byte for what it is', async () => {
    const url = await serve(async (_, response) => {
      response.writeHead(206);
      for (let at = 0; at < 6; at++) {
        response.write(FILE.subarray(at, at + 1));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      response.end(FILE.subarray(6));
    });
    expect((await collect(url)).equals(FILE)).toBe(true);
  });

  test('takes a slow file as it comes: only silence is a failure', async () => {
    const url = await serve(async (_, response) => {
      response.writeHead(206);
      for (let at = 0; at < FILE.length; at += FILE.length / 5) {
        response.write(FILE.subarray(at, at + FILE.length / 5));
        await new Promise((resolve) => setTimeout(resolve, 60));
      }
      response.end();
    });
    const retries: string[] = [];
    const onRetry: TransferOptions['onRetry'] = ({ error }) => retries.push(error.message);
    expect((await collect(url, { stallMs: 200, onRetry })).equals(FILE)).toBe(true);
    expect(retries).toEqual([]);
  });

  test('tries again when nothing comes any more', async () => {
    const answer = inTurn((_, response) => {
      response.writeHead(206);
      response.write(FILE.subarray(0, 1000));
    }, ranged);
    const messages: string[] = [];
    const got = await collect(await serve(answer), {
      stallMs: 1000,
      onRetry: ({ error }) => messages.push(error.message),
    });
    expect(got.equals(FILE)).toBe(true);
    expect(messages).toEqual(['127.0.0.1 has sent nothing for 1 seconds.']);
    expect(answer.ranges[1]).toBe('bytes=1000-');
  });

  test.each([
    ['is shorter now, by 416', status(416)],
    ['has another length in Content-Range', status(206, { 'content-range': 'bytes 70000-399999/400000' })],
    ['has another length as a whole', ((_, response) => response.end(FILE.subarray(0, 200_000))) satisfies Answer],
  ])('says that a source %s', async (_, answer) => {
    expect(await failure(collect(await serve(answer), { offset: 70_000 }))).toBeInstanceOf(SourceChanged);
  });

  test('sees by the length or the date of the rest that a file has changed', async () => {
    const grown = Buffer.concat([FILE, FILE]);
    const url = await serve((request, response) => {
      const { start, end } = rangeOf(request, grown.length);
      // As where Content-Range is not shown to another origin.
      response.writeHead(206, { 'content-length': end - start }).end(grown.subarray(start, end));
    });
    const error = await failure(collect(url, { offset: 70_000 }));
    expect(error).toBeInstanceOf(SourceChanged);
    expect(error.message).toBe('127.0.0.1 now has a file of 600000 bytes instead of 300000');
    const date = 'Tue, 01 Sep 2026 00:00:00 GMT';
    const dated = await serve((request, response) => {
      response.setHeader('last-modified', date);
      sendRange(FILE, request, response);
    });
    expect((await collect(dated, { unpinned: { lastModified: date } })).equals(FILE)).toBe(true);
    const before = { lastModified: 'Sat, 01 Aug 2026 00:00:00 GMT' };
    expect(await failure(collect(dated, { unpinned: before }))).toBeInstanceOf(SourceChanged);
  });

  test('ends when it is aborted, with the reason that was given, and lets the connection go', async () => {
    const stop = new AbortController();
    let closed: () => void = () => {};
    const connectionClosed = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const url = await serve((_, response) => {
      response.writeHead(206);
      response.write(FILE.subarray(0, 10));
      response.on('close', () => closed());
      setTimeout(() => stop.abort(new LapisError('aborted', 'It was paused.')), 50);
    });
    expect(await failure(collect(url, { signal: stop.signal }))).toMatchObject({ message: 'It was paused.' });
    await connectionClosed;
  });

  test('ends a wait when it is aborted', async () => {
    const stop = new AbortController();
    const url = await serve(status(503));
    const clock: RetryClock = {
      ...quick(),
      sleep: (_, wake) =>
        new Promise((resolve) => {
          wake.addEventListener('abort', () => resolve());
          stop.abort();
        }),
    };
    expect(await failure(collect(url, { signal: stop.signal, clock }))).toMatchObject({ code: 'aborted' });
  });
});

test('waits grow from one second to half a minute, within a factor of two by chance', () => {
  const failures = [0, 1, 2, 3, 4, 5, 9];
  expect(failures.map((n) => backoffMs(n, 0))).toEqual([1000, 1000, 2000, 4000, 8000, 15_000, 15_000]);
  expect(failures.map((n) => backoffMs(n, 1))).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  expect(retryAfterMs(null, 0)).toBeUndefined();
  expect(retryAfterMs('Thu, 01 Jan 1970 00:00:00 GMT', 5000)).toBe(0);
});
