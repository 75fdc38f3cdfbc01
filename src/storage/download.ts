import type { ErrorPayload } from '../protocol/errors.ts';
import { LapisError } from '../protocol/errors.ts';
import type { RangeOptions, RangeRequest } from './http-range.ts';
import { abortError, fetchRange, PassingFailure } from './http-range.ts';
import type { RetryClock } from './retry.ts';
import { backoffMs, realClock, wait } from './retry.ts';

export interface TransferOptions extends RangeOptions {
  clock?: RetryClock;
  /** So many failures in a row without a new byte are the end. */
  attempts?: number;
  /** Called when a connection failed, before the wait; `retryAt` is in milliseconds since 1970. */
  onRetry?: (detail: { retryAt: number; error: ErrorPayload }) => void;
  /** Called when bytes come, first and after each failure. */
  onFlow?: () => void;
}

/** So many attempts in a row without a new byte, about a minute and a half, are enough. */
const MOST_ATTEMPTS = 8;

/** A server that cuts a reply short after less than this is treated as one that failed. */
const SHORT_REPLY_BYTES = 64 * 1024;

/**
 * A file's bytes from `offset` to `end`, as they arrive. After a failure it goes on at the byte that was reached.
 *
 * @throws LapisError `network` with the reason in a sentence, SourceChanged, `corrupt`, `aborted` or the signal's reason
 */
export async function* download(request: RangeRequest, options: TransferOptions = {}): AsyncGenerator<Uint8Array> {
  const { signal, clock = realClock, attempts = MOST_ATTEMPTS, onRetry, onFlow } = options;
  const { hostname } = new URL(request.url);
  let position = request.offset;
  let failures = 0;
  while (position < request.end) {
    const start = position;
    try {
      for await (const piece of fetchRange({ ...request, offset: position }, options)) {
        if (position === start) onFlow?.();
        failures = 0;
        position += piece.length;
        yield piece;
      }
      if (position - start < Math.min(SHORT_REPLY_BYTES, request.end - start)) {
        throw new PassingFailure(`The download from ${hostname} broke off after ${position} of ${request.end} bytes.`);
      }
    } catch (error) {
      if (!(error instanceof PassingFailure)) throw error;
      failures++;
      if (failures === attempts) {
        throw new LapisError('network', `${error.message} Lapis tried ${failures} times.`, { cause: error });
      }
      const ms = Math.max(backoffMs(failures - 1, clock.random()), error.retryAfterMs ?? 0);
      onRetry?.({ retryAt: clock.now() + ms, error: error.toPayload() });
      // A server's own wish stands whatever the network does.
      await wait(clock, ms, { signal, untilOnline: error.retryAfterMs === undefined });
      if (signal?.aborted) throw abortError(signal);
    }
  }
}
