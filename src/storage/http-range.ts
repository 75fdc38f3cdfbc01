import { LapisError } from '../protocol/errors.ts';
import { retryAfterMs } from './retry.ts';

export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

/** Bytes [offset, end) of a file that is `total` bytes long. */
export interface RangeRequest {
  url: string;
  offset: number;
  end: number;
  total: number;
  /** Of a file without a pin: its date is watched, where the server tells it. */
  unpinned?: { lastModified?: string };
}

export interface RangeOptions {
  fetch?: Fetch;
  signal?: AbortSignal;
  /** A connection that brings nothing for this long has failed. */
  stallMs?: number;
}

/** A failure that may pass, so that another attempt is worth it. */
export class PassingFailure extends LapisError {
  /** How long the server asks to wait. */
  readonly retryAfterMs?: number;

  constructor(message: string, { retryAfterMs, ...options }: ErrorOptions & { retryAfterMs?: number } = {}) {
    super('network', message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/** The address no longer leads to the file that was begun. */
export class SourceChanged extends LapisError {
  /** Of the file that is there now, where that is known. */
  readonly bytes?: number;

  constructor(message: string, bytes?: number) {
    super('corrupt', message);
    this.bytes = bytes;
  }
}

/** Something else than a model's file came, from a sign-in page, say: no reason to give up what is stored. */
export class WrongReply extends LapisError {}

const STALL_MS = 30_000;

/** Statuses of requests that may fare better later; those from 500 on are too. */
const PASSING_STATUS = [408, 425, 429];

const MAGIC = new TextEncoder().encode('GGUF');

/**
 * The bytes of one reply to one plain `Range` request, from `offset` on. Ends at `end`, or before it where the server sends
 * less than was asked for. No `If-Range`: it would cost a preflight, which hosts refuse. Headers that a server does not show
 * are not missed.
 *
 * @throws PassingFailure, SourceChanged, LapisError `network` for what no other attempt will change, `corrupt` when the file is
 * no GGUF, `aborted` or the signal's reason
 */
export async function* fetchRange(request: RangeRequest, options: RangeOptions = {}): AsyncGenerator<Uint8Array> {
  const { fetch = globalThis.fetch.bind(globalThis), signal, stallMs = STALL_MS } = options;
  const { url, offset, end } = request;
  const { hostname } = new URL(url);
  const stop = new AbortController();
  const cancel = () => stop.abort(signal?.reason);
  signal?.addEventListener('abort', cancel);
  if (signal?.aborted) cancel();
  try {
    // An open end makes the reply as long as the rest of the file: its length, which every server shows, tells before the
    // first byte that another file is there.
    const last = end === request.total ? '' : end - 1;
    const init: RequestInit = {
      headers: { Range: `bytes=${offset}-${last}` },
      signal: stop.signal,
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      // It is stored once, by us.
      cache: 'no-store',
    };
    const response = await orStalled(fetch(url, init), stallMs, hostname);
    const read = reader(bodyOf(response, request, hostname));
    // A server may ignore the range and send the file from its start.
    const whole = response.status === 200;
    let skip = whole ? offset : 0;
    let position = offset;
    let head: Uint8Array | undefined = whole || offset === 0 ? new Uint8Array(0) : undefined;
    while (position < end) {
      const { done, value } = await orStalled(read(), stallMs, hostname);
      if (head) {
        head = joined(head, value);
        if (!done && head.length < MAGIC.length) {
          // The next read takes its buffer.
          head = head.slice();
          continue;
        }
        if (head.length < MAGIC.length) throw new PassingFailure(`${hostname} sent an empty reply.`);
        checkBeginning(head, hostname);
        // After its beginning was seen to be a model's, so that a web page is called one.
        if (whole) checkWhole(response.headers, request, hostname);
      }
      if (done) return;
      const arrived: Uint8Array = head ?? value;
      head = undefined;
      const fresh = arrived.subarray(Math.min(skip, arrived.length));
      skip -= arrived.length - fresh.length;
      const wanted = fresh.subarray(0, end - position);
      position += wanted.length;
      if (wanted.length > 0) yield wanted;
    }
  } catch (error) {
    if (signal?.aborted) throw abortError(signal);
    if (error instanceof LapisError) throw error;
    throw new PassingFailure(`The connection to ${hostname} failed: check that this machine is online.`, {
      cause: error,
    });
  } finally {
    signal?.removeEventListener('abort', cancel);
    stop.abort();
  }
}

/** Asked for at once of a body. */
const READ_BYTES = 1024 * 1024;

/**
 * Reads a body into one buffer over and over, where its stream can: a new one for each piece would be garbage faster than it is
 * collected. So a piece is valid until the next is read.
 */
function reader(body: ReadableStream<Uint8Array>): () => Promise<ReadableStreamReadResult<Uint8Array>> {
  let byob: ReadableStreamBYOBReader;
  try {
    byob = body.getReader({ mode: 'byob' });
  } catch {
    const plain = body.getReader();
    return () => plain.read();
  }
  let buffer = new ArrayBuffer(READ_BYTES);
  return async () => {
    const { done, value } = await byob.read(new Uint8Array(buffer));
    if (value) buffer = value.buffer;
    return value && !done ? { done, value } : { done: true, value: undefined };
  };
}

/** What an aborted operation ends with: the reason, where that is one of ours. */
export function abortError({ reason }: AbortSignal): LapisError {
  return reason instanceof LapisError
    ? reason
    : new LapisError('aborted', 'The download was cancelled.', { cause: reason });
}

function bodyOf(response: Response, request: RangeRequest, hostname: string): ReadableStream<Uint8Array> {
  const { status, headers, body } = response;
  if (status === 416 && request.offset > 0) throw new SourceChanged(`${hostname} now has a shorter file`);
  if (status !== 200 && status !== 206) {
    const sentence = `The download from ${hostname} failed: ${statusReason(status)}.`;
    if (status < 500 && !PASSING_STATUS.includes(status)) throw new LapisError('network', sentence);
    throw new PassingFailure(sentence, { retryAfterMs: retryAfterMs(headers.get('retry-after'), Date.now()) });
  }
  if (status === 206) checkPart(headers, request, hostname);
  // An empty body is none in some engines.
  return body ?? new Response('').body!;
}

function checkPart(headers: Headers, request: RangeRequest, hostname: string): void {
  const { offset, total } = request;
  const [, start, size] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '') ?? [];
  if (start !== undefined && Number(start) !== offset) {
    throw new PassingFailure(`${hostname} sent the file from byte ${start} when asked for it from byte ${offset}.`);
  }
  if (size !== undefined && size !== '*') requireSize(Number(size), total, hostname);
  const length = Number(headers.get('content-length') ?? 0);
  if (length > total - offset) requireSize(offset + length, total, hostname);
  requireSameDate(headers, request, hostname);
}

function checkWhole(headers: Headers, request: RangeRequest, hostname: string): void {
  const length = headers.get('content-length');
  if (length !== null) requireSize(Number(length), request.total, hostname);
  requireSameDate(headers, request, hostname);
}

function requireSameDate(headers: Headers, { unpinned }: RangeRequest, hostname: string): void {
  const modified = headers.get('last-modified');
  if (!unpinned?.lastModified || !modified || modified === unpinned.lastModified) return;
  throw new SourceChanged(`${hostname} has changed the file (${modified})`);
}

function requireSize(found: number, expected: number, hostname: string): void {
  if (found === expected) return;
  throw new SourceChanged(`${hostname} now has a file of ${found} bytes instead of ${expected}`, found);
}

/** @throws LapisError when a source's first bytes are no GGUF's */
export function checkBeginning(head: Uint8Array, hostname: string): void {
  if (MAGIC.every((byte, i) => head[i] === byte)) return;
  const text = new TextDecoder().decode(head.subarray(0, 64)).trimStart();
  throw text.startsWith('<')
    ? new WrongReply('network', `${hostname} sent a web page instead of the file: it may want you to sign in.`)
    : new WrongReply('corrupt', `What ${hostname} sent is no GGUF file: it does not begin with "GGUF".`);
}

/** Why a status is no success, to follow "The download from HOST failed:". */
export function statusReason(status: number): string {
  switch (status) {
    case 401:
    case 403:
      return `it refuses the file (${status})`;
    case 404:
    case 410:
      return `the file is not there any more (${status})`;
    case 416:
      return 'it has no bytes in that file (416)';
    case 429:
      return 'it asks for a pause after too many downloads (429)';
    default:
      return `it answered with status ${status}`;
  }
}

function joined(a: Uint8Array, b: Uint8Array | undefined): Uint8Array {
  if (!b || a.length === 0) return b ?? a;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

async function orStalled<T>(work: Promise<T>, stallMs: number, hostname: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stalled = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new PassingFailure(`${hostname} has sent nothing for ${Math.round(stallMs / 1000)} seconds.`));
    }, stallMs);
  });
  // Whichever loses the race is waited for by nobody.
  work.catch(() => {});
  try {
    return await Promise.race([work, stalled]);
  } finally {
    clearTimeout(timer);
  }
}
