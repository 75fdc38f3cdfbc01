import type { Remote } from 'comlink';
import { wrap } from 'comlink';
import type { BenchmarkEvent } from './benchmark.ts';
import { LapisError } from './errors.ts';
import type { GenerateEvent } from './generation.ts';
import type { LapisHost } from './host.ts';
import type { ConnectMessage, Greeting, Outcome, WireHost } from './host-channel.ts';
import { HOST_METHODS, holdLock, peerLost, watchLock } from './host-channel.ts';

export interface HostClientOptions {
  /** Brings a port whose other end is on its way to the engine worker; by default through the service worker. */
  connect?: () => Promise<MessagePort>;
  /** How often the peer is asked whether it lives. */
  pingIntervalMs?: number;
  /** A ping unanswered for this long means that the peer is dead. */
  deadAfterMs?: number;
  /** How long a start of the document and the worker may take. */
  greetingMs?: number;
}

/** A LapisHost for our own pages, and the way to hang up. */
export type HostClient = LapisHost & { close(): void };

type Result<K extends keyof LapisHost> = Awaited<ReturnType<LapisHost[K]>>;

const DEFAULTS = { pingIntervalMs: 1_000, deadAfterMs: 8_000, greetingMs: 30_000 };

/** Pauses between attempts to take a watch up again; the last error ends it. */
const RESUME_DELAYS_MS = [100, 500, 1_000, 2_000, 4_000];

/**
 * Connects on the first call and again on the first call after the peer died. What a dead peer left unanswered is rejected with
 * `peer-lost` (a generation gets it as its last event); `watchStatus` and `watchChat` connect anew by themselves and go on with a
 * fresh snapshot.
 */
export function createHostClient(options: HostClientOptions = {}): HostClient {
  const settings = { connect: connectThroughServiceWorker, ...DEFAULTS, ...options };
  let current: Promise<Connection> | undefined;
  let closed = false;

  const connection = (): Promise<Connection> => {
    if (closed) return Promise.reject(new LapisError('aborted', 'This page has hung up.'));
    if (current) return current;
    const opening = openConnection(settings);
    current = opening;
    const forget = () => {
      if (current === opening) current = undefined;
    };
    opening.then((opened) => opened.lost.then(forget), forget);
    return opening;
  };

  const call =
    <K extends keyof LapisHost>(name: K) =>
    async (...args: Parameters<LapisHost[K]>): Promise<Result<K>> =>
      (await connection()).call(name, args) as Promise<Result<K>>;

  const watch =
    <K extends 'watchStatus' | 'watchChat'>(name: K) =>
    async (): Promise<Result<K>> => {
      const open = async () => {
        const line = await connection();
        return line.guard((await line.call(name, [])) as ReadableStream<unknown>);
      };
      return resuming(await open(), open, () => closed) as Result<K>;
    };

  // Every method as a plain call; those that give streams take care of them.
  const calls = Object.fromEntries(HOST_METHODS.map((name) => [name, call(name)])) as unknown as LapisHost;
  return {
    ...calls,
    watchStatus: watch('watchStatus'),
    watchChat: watch('watchChat'),
    async generate(request) {
      const line = await connection();
      return line.guard((await line.call('generate', [request])) as ReadableStream<GenerateEvent>, GENERATE_ENDING);
    },
    async runBenchmark() {
      const line = await connection();
      return line.guard((await line.call('runBenchmark', [])) as ReadableStream<BenchmarkEvent>, BENCHMARK_ENDING);
    },
    close() {
      closed = true;
      current?.then((opened) => opened.hangUp()).catch(() => {});
    },
  };
}

/** Of a stream that always ends with an event that says how. */
interface Ending<T> {
  isLast(value: T): boolean;
  of(error: LapisError): T;
}

const GENERATE_ENDING: Ending<GenerateEvent> = {
  isLast: ({ type }) => type === 'end' || type === 'error',
  of: (error) => ({ type: 'error', error: error.toPayload() }),
};

const BENCHMARK_ENDING: Ending<BenchmarkEvent> = {
  isLast: ({ type }) => type !== 'progress',
  of: (error) => ({ type: 'error', error: error.toPayload() }),
};

/** One living line to an engine worker. */
interface Connection {
  call(name: keyof LapisHost, args: unknown[]): Promise<unknown>;
  /** The same stream, ended when the peer dies: with an ending event, or else with the error. */
  guard<T>(stream: ReadableStream<T>, ending?: Ending<T>): ReadableStream<T>;
  /** Resolves, with the error for whatever is pending, when the peer is dead. */
  lost: Promise<LapisError>;
  hangUp(): void;
}

async function openConnection(settings: Required<HostClientOptions>): Promise<Connection> {
  const port = await settings.connect();
  const { lock } = await greeted(port, settings.greetingMs);
  // Comlink drops a call whose proxy is garbage-collected: this closure keeps it for the life of the line.
  const remote = wrap<WireHost>(port) as unknown as Remote<WireHost> & WireHost;

  let lose!: (error: LapisError) => void;
  const lost = new Promise<LapisError>((resolve) => {
    lose = resolve;
  });
  let dead: LapisError | undefined;
  const pending = new Set<(error: LapisError) => void>();
  const ended = new AbortController();
  const declareDead = (error: LapisError) => {
    if (dead) return;
    dead = error;
    ended.abort();
    clearInterval(watchdog);
    port.close();
    for (const reject of [...pending]) reject(error);
    pending.clear();
    lose(error);
  };

  const onEnd = () => declareDead(peerLost('its worker has ended'));
  port.addEventListener('close', onEnd);
  if (lock) watchLock(lock, onEnd, ended.signal);
  // Counted in turns, not read from a clock: a machine that slept, or has no time for us, is not a dead peer.
  const deadAfterTurns = Math.ceil(settings.deadAfterMs / settings.pingIntervalMs);
  let unansweredTurns = 0;
  const watchdog = setInterval(() => {
    unansweredTurns++;
    if (unansweredTurns > deadAfterTurns) return declareDead(peerLost('it no longer answers'));
    if (unansweredTurns > 1) return;
    remote.ping().then(() => {
      unansweredTurns = 0;
    });
  }, settings.pingIntervalMs);

  return {
    lost,
    hangUp: () => declareDead(new LapisError('aborted', 'This page has hung up.')),
    async call(name, args) {
      if (dead) throw dead;
      const outcome = await new Promise<Outcome<unknown>>((resolve, reject) => {
        pending.add(reject);
        const method = remote[name] as unknown as (...args: unknown[]) => Promise<Outcome<unknown>>;
        method(...args)
          .then(resolve, reject)
          .finally(() => pending.delete(reject));
      });
      if ('error' in outcome) throw LapisError.fromPayload(outcome.error);
      return outcome.value;
    },
    guard<T>(stream: ReadableStream<T>, ending?: Ending<T>) {
      let last: T | undefined;
      const reader = stream.getReader();
      let onLoss: (error: LapisError) => void = () => {};
      return new ReadableStream<T>({
        start(controller) {
          onLoss = (error) => {
            if (ending) {
              controller.enqueue(ending.of(error));
              controller.close();
            } else controller.error(error);
            // A stream whose writer is gone never settles; letting go of it is all that can be done.
            reader.cancel(error).catch(() => {});
          };
          if (dead) onLoss(dead);
          else pending.add(onLoss);
        },
        async pull(controller) {
          try {
            const { done, value } = await reader.read();
            if (dead) return;
            if (!done) {
              last = value;
              controller.enqueue(value);
              return;
            }
            if (ending && !(last && ending.isLast(last)))
              controller.enqueue(ending.of(peerLost('its answer broke off')));
            controller.close();
          } catch (error) {
            if (dead) return;
            controller.error(error);
          }
          pending.delete(onLoss);
        },
        cancel(reason) {
          pending.delete(onLoss);
          return reader.cancel(reason);
        },
      });
    },
  };
}

type Welcome = Extract<Greeting, { lapis: 'welcome' }>;

/** Waits for the first message on the port. */
function greeted(port: MessagePort, timeoutMs: number): Promise<Welcome> {
  return new Promise<Welcome>((resolve, reject) => {
    const settled = new AbortController();
    const fail = (error: LapisError) => {
      settled.abort();
      port.close();
      reject(error);
    };
    const timer = setTimeout(() => fail(peerLost(`it did not start within ${timeoutMs / 1000} seconds`)), timeoutMs);
    settled.signal.addEventListener('abort', () => clearTimeout(timer));
    port.addEventListener('close', () => fail(peerLost('it ended while it started')), { signal: settled.signal });
    port.addEventListener(
      'message',
      (event: MessageEvent<Greeting>) => {
        if (event.data.lapis === 'refused') return fail(LapisError.fromPayload(event.data.error));
        settled.abort();
        resolve(event.data);
      },
      { signal: settled.signal },
    );
    port.start();
  });
}

/** A watch that is taken up again when its line is lost. */
function resuming<T>(
  first: ReadableStream<T>,
  reopen: () => Promise<ReadableStream<T>>,
  closed: () => boolean,
): ReadableStream<T> {
  let reader = first.getReader();
  let cancelled = false;
  const resume = async (): Promise<void> => {
    let failure: unknown;
    for (const delay of RESUME_DELAYS_MS) {
      await new Promise((resolve) => setTimeout(resolve, delay));
      if (cancelled || closed()) return;
      try {
        reader = (await reopen()).getReader();
        return;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  };
  return new ReadableStream<T>(
    {
      async pull(controller) {
        for (;;) {
          try {
            const { done, value } = await reader.read();
            if (cancelled) return;
            // A watch has no end of its own: its worker is going.
            if (done) throw peerLost('its worker has ended');
            controller.enqueue(value);
            return;
          } catch (error) {
            if (cancelled) return;
            if (closed() || LapisError.from(error).code !== 'peer-lost') {
              controller.error(error);
              return;
            }
            await resume();
            if (cancelled || closed()) {
              controller.close();
              return;
            }
          }
        }
      },
      cancel(reason) {
        cancelled = true;
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

let pageLock: Promise<string> | undefined;

async function lockOfThisPage(): Promise<string> {
  const name = `lapis-page-${crypto.randomUUID()}`;
  await holdLock(name);
  return name;
}

/** Hands one end of a new channel to the service worker, which the message wakes. */
async function connectThroughServiceWorker(): Promise<MessagePort> {
  const { active } = await navigator.serviceWorker.ready;
  if (!active) throw peerLost('its service worker is not active');
  const { port1, port2 } = new MessageChannel();
  pageLock ??= lockOfThisPage();
  active.postMessage({ lapis: 'connect', lock: await pageLock } satisfies ConnectMessage, [port2]);
  return port1;
}
