import { LapisError } from '../protocol/errors.ts';
import type { Fetch } from './http-range.ts';
import { abortError, checkBeginning, statusReason } from './http-range.ts';

interface Options {
  fetch: Fetch;
  signal?: AbortSignal;
}

/** A question that costs a few bytes is answered within this or not at all. */
const LONGEST_ANSWER_MS = 30_000;

/** What the beginning of a GGUF shows. */
const BEGINNING_BYTES = 4;

/**
 * What can be known of the file at an address by headers that every server shows to every origin: its size and, mostly, its
 * date. Looks at its first bytes too.
 *
 * @throws LapisError `network` when it cannot be had or does not say how large it is, `corrupt` when it is no GGUF, `aborted`
 */
export async function urlFacts(url: string, options: Options): Promise<{ bytes: number; lastModified?: string }> {
  const { hostname } = new URL(url);
  const first = await answerWithin(url, { headers: { Range: `bytes=0-${BEGINNING_BYTES - 1}` } }, options, beginning);
  if (!first.ok) throw new LapisError('network', `${hostname} does not give the file: ${statusReason(first.status)}.`);
  checkBeginning(first.head, hostname);
  const { lastModified } = first;
  const [, total] = /^bytes \d+-\d+\/(\d+)$/.exec(first.contentRange ?? '') ?? [];
  const bytes =
    size(total) ??
    (first.status === 200 ? size(first.contentLength) : undefined) ??
    (await sizeBy('HEAD', url, options)) ??
    (await sizeBy('GET', url, options));
  if (!bytes) throw new LapisError('network', `${hostname} does not say how large the file is.`);
  return lastModified ? { bytes, lastModified } : { bytes };
}

async function beginning(response: Response) {
  const { ok, status, headers, body } = response;
  const parts: number[] = [];
  const reader = body?.getReader();
  while (ok && reader && parts.length < BEGINNING_BYTES) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(...value.subarray(0, 64));
  }
  return {
    ok,
    status,
    head: new Uint8Array(parts),
    contentRange: headers.get('content-range'),
    contentLength: headers.get('content-length'),
    lastModified: headers.get('last-modified') ?? undefined,
  };
}

/** By the length of a reply whose body is not read; some hosts sign addresses for one method only. */
async function sizeBy(method: 'HEAD' | 'GET', url: string, options: Options): Promise<number | undefined> {
  try {
    return await answerWithin(url, { method }, options, async ({ status, headers }) =>
      status === 200 ? size(headers.get('content-length')) : undefined,
    );
  } catch (error) {
    if (options.signal?.aborted) throw error;
    return undefined;
  }
}

function size(text: string | null | undefined): number | undefined {
  const value = Number(text ?? 0);
  return Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

/**
 * Asks, and lets the connection go when `read` is done with the reply.
 *
 * @throws LapisError `network`, `aborted`, what `read` throws
 */
export async function answerWithin<T>(
  url: string,
  init: RequestInit,
  { fetch, signal }: Options,
  read: (response: Response) => Promise<T>,
): Promise<T> {
  const { hostname } = new URL(url);
  const stop = new AbortController();
  const cancel = () => stop.abort();
  const timer = setTimeout(cancel, LONGEST_ANSWER_MS);
  signal?.addEventListener('abort', cancel);
  if (signal?.aborted) cancel();
  try {
    const safe: RequestInit = { credentials: 'omit', referrerPolicy: 'no-referrer', cache: 'no-store' };
    return await read(await fetch(url, { ...safe, ...init, signal: stop.signal }));
  } catch (error) {
    if (signal?.aborted) throw abortError(signal);
    if (error instanceof LapisError) throw error;
    throw new LapisError(
      'network',
      `${hostname} could not be reached, or does not let extensions read its files: check the address and that this machine is online.`,
      { cause: error },
    );
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', cancel);
    stop.abort();
  }
}
