/** Time and chance, which tests replace. */
export interface RetryClock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Uniform in [0, 1). */
  random(): number;
  /** Resolves after `ms`, or at once when `wake` fires. */
  sleep(ms: number, wake: AbortSignal): Promise<void>;
  /** Fires `online` when the machine has a network again. */
  network?: EventTarget;
}

/** The wait after the first failure; it doubles with each that follows. */
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;

/** A server that asks for more is asked again after this. */
const LONGEST_RETRY_AFTER_MS = 5 * 60_000;

export const realClock: RetryClock = {
  now: () => Date.now(),
  random: () => Math.random(),
  sleep: (ms, wake) =>
    new Promise((resolve) => {
      if (wake.aborted) return resolve();
      const timer = setTimeout(resolve, ms);
      wake.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    }),
  network: typeof globalThis.addEventListener === 'function' ? globalThis : undefined,
};

/**
 * How long to wait after so many failures in a row, with jitter, so that clients who lost a server together do not return
 * together.
 */
export function backoffMs(failures: number, random: number): number {
  const longest = Math.min(FIRST_WAIT_MS * 2 ** failures, LONGEST_WAIT_MS);
  return Math.max(FIRST_WAIT_MS, longest * (0.5 + random / 2));
}

/**
 * A `Retry-After` header, seconds or an HTTP date (RFC 9110, section 10.2.3), as a wait from `now`; undefined when it says
 * nothing.
 */
export function retryAfterMs(header: string | null, now: number): number | undefined {
  if (!header) return undefined;
  const wait = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(wait, 0), LONGEST_RETRY_AFTER_MS);
}

/** Waits, and no longer than until `signal` fires or, if `untilOnline`, the network is back. */
export async function wait(
  { sleep, network }: RetryClock,
  ms: number,
  { signal, untilOnline }: { signal?: AbortSignal; untilOnline: boolean },
): Promise<void> {
  const wake = new AbortController();
  const end = () => wake.abort();
  signal?.addEventListener('abort', end);
  if (signal?.aborted) end();
  if (untilOnline) network?.addEventListener('online', end);
  try {
    await sleep(ms, wake.signal);
  } finally {
    signal?.removeEventListener('abort', end);
    network?.removeEventListener('online', end);
  }
}
