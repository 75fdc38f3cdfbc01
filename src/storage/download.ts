import { LapisError } from '../protocol/errors.ts';

export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

export interface DownloadOptions {
  fetch?: Fetch;
  signal?: AbortSignal;
  /** A connection that brings nothing for this long has failed. */
  stallMs?: number;
}

const STALL_MS = 30_000;

/**
 * A file's bytes from `offset` to `end`, as they arrive. Plain `Range` only: an `If-Range` would cost a preflight that hosts
 * refuse, and the caller knows the content by its hash.
 *
 * @throws LapisError `network` with the reason in a sentence, `aborted`
 */
export async function* download(
  url: string,
  offset: number,
  end: number,
  { fetch = globalThis.fetch.bind(globalThis), signal, stallMs = STALL_MS }: DownloadOptions = {},
): AsyncGenerator<Uint8Array> {
  const { hostname } = new URL(url);
  const stop = new AbortController();
  const cancel = () => stop.abort(signal?.reason);
  signal?.addEventListener('abort', cancel);
  if (signal?.aborted) cancel();
  try {
    const headers = { Range: `bytes=${offset}-${end - 1}` };
    const response = await orStalled(
      fetch(url, { headers, signal: stop.signal, credentials: 'omit' }),
      stallMs,
      hostname,
    );
    const body = checked(response, hostname);
    // A server may ignore the range and send the file from its start.
    let skip = response.status === 206 ? 0 : offset;
    let position = offset;
    const reader = body.getReader();
    while (position < end) {
      const { done, value } = await orStalled(reader.read(), stallMs, hostname);
      if (done) {
        throw new LapisError('network', `The download from ${hostname} broke off after ${position} of ${end} bytes.`);
      }
      const fresh = value.subarray(Math.min(skip, value.length));
      skip -= value.length - fresh.length;
      const wanted = fresh.subarray(0, end - position);
      position += wanted.length;
      if (wanted.length > 0) yield wanted;
    }
  } catch (error) {
    if (signal?.aborted) throw new LapisError('aborted', 'The download was cancelled.', { cause: error });
    if (error instanceof LapisError) throw error;
    throw new LapisError('network', `The connection to ${hostname} failed: check that this machine is online.`, {
      cause: error,
    });
  } finally {
    signal?.removeEventListener('abort', cancel);
    stop.abort();
  }
}

function checked(response: Response, hostname: string): ReadableStream<Uint8Array> {
  const { status } = response;
  if ((status === 200 || status === 206) && response.body) return response.body;
  const reason =
    status === 404
      ? 'the file is not there any more (404)'
      : status === 401 || status === 403
        ? `it refuses the file (${status})`
        : status === 416
          ? 'the file is shorter than expected (416)'
          : status === 429
            ? 'it asks for a pause after too many downloads (429)'
            : `it answered with status ${status}`;
  throw new LapisError('network', `The download from ${hostname} failed: ${reason}.`);
}

async function orStalled<T>(work: Promise<T>, stallMs: number, hostname: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stalled = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new LapisError('network', `${hostname} has sent nothing for ${Math.round(stallMs / 1000)} seconds.`));
    }, stallMs);
  });
  try {
    return await Promise.race([work, stalled]);
  } finally {
    clearTimeout(timer);
  }
}
