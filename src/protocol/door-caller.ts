import type { DoorEvent, DoorGenerateRequest, DoorPort, DoorRequest } from './door.ts';
import { DOOR_SILENCE_MS } from './door.ts';
import { LapisError } from './errors.ts';

/** How a caller reaches Lapis: from another extension or from the card in a page. */
export interface DoorLine {
  /** Sends the wake message and resolves when Lapis has answered it. */
  wake(): Promise<unknown>;
  connect(): DoorPort;
  /** What the browser says about a port that has just been disconnected (`runtime.lastError`). */
  lastError(): string | undefined;
  /** What the caller calls itself. */
  name?: string;
}

/** What a caller sees of its request before the end. Errors are thrown. */
export type DoorProgress = Exclude<DoorEvent, { type: 'error' } | { type: 'status' }>;

export interface DoorCallOptions {
  /** Ends the request; the iteration then throws `aborted`. */
  signal?: AbortSignal;
  /** Silence after which Lapis is taken for dead. */
  silenceMs?: number;
}

/**
 * One generation on a port of its own, as it happens; returns after `end`. Leaving the iteration early ends the generation.
 * @throws LapisError with Lapis's own code, `aborted` by the signal, `peer-lost` when Lapis went away or fell silent.
 */
export async function* callGenerate(
  line: DoorLine,
  request: DoorGenerateRequest,
  options: DoorCallOptions = {},
): AsyncGenerator<DoorProgress, void> {
  const message = { type: 'generate', request, ...(line.name === undefined ? {} : { name: line.name }) } as const;
  for await (const event of exchange(line, message, options)) {
    if (event.type === 'error') throw LapisError.fromPayload(event.error);
    if (event.type === 'status') continue;
    yield event;
    if (event.type === 'end') return;
  }
}

/** What Lapis says about itself and about the caller. @throws LapisError as `callGenerate` does. */
export async function callStatus(
  line: DoorLine,
  options: DoorCallOptions = {},
): Promise<Extract<DoorEvent, { type: 'status' }>> {
  for await (const event of exchange(line, { type: 'status' }, options)) {
    if (event.type === 'error') throw LapisError.fromPayload(event.error);
    if (event.type === 'status') return event;
  }
  throw new LapisError('peer-lost', 'Lapis closed the connection without an answer.');
}

/** A request without the id, which the exchange gives it. */
type WithoutId<T> = T extends { id: string } ? Omit<T, 'id'> : never;

async function* exchange(
  line: DoorLine,
  message: WithoutId<DoorRequest>,
  { signal, silenceMs = DOOR_SILENCE_MS }: DoorCallOptions,
): AsyncGenerator<DoorEvent, void> {
  const settled = new AbortController();
  const inbox: DoorEvent[] = [];
  let failure: LapisError | undefined;
  // Only callbacks write it, which TypeScript's narrowing does not see.
  const failed = (): LapisError | undefined => failure;
  let wakeReader: () => void = () => {};
  let timer: ReturnType<typeof setTimeout> | undefined;

  const fail = (error: LapisError) => {
    failure ??= error;
    wakeReader();
  };
  const arrival = () =>
    new Promise<void>((resolve) => {
      wakeReader = resolve;
      if (failure || inbox.length > 0) resolve();
    });
  const listenFor = (ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(
      () => fail(new LapisError('peer-lost', `Lapis has said nothing for ${Math.round(ms / 1000)} seconds.`)),
      ms,
    );
  };
  const abort = () => fail(new LapisError('aborted', 'The caller ended the request.', { cause: signal?.reason }));
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { signal: settled.signal });

  let port: DoorPort | undefined;
  try {
    if (failed()) throw failed();
    // A wake starts the service worker and perhaps the document: the same patience as for any other silence.
    listenFor(silenceMs);
    const awake = line.wake().catch((cause: unknown) => {
      throw notThere(cause instanceof Error ? cause.message : String(cause), cause);
    });
    await Promise.race([awake, arrival()]);
    if (failed()) throw failed();

    port = line.connect();
    const id = '1';
    port.onDisconnect.addListener(() => {
      // Reading it keeps the browser from reporting it as an unchecked error.
      const reason = line.lastError();
      // Chrome may deliver a port's last messages after its end: whatever has arrived is still read first.
      setTimeout(() => fail(reason ? notThere(reason) : new LapisError('peer-lost', 'Lapis closed the connection.')));
    });
    port.onMessage.addListener((event) => {
      if (!isEvent(event) || (event.id !== undefined && event.id !== id)) return;
      listenFor(silenceMs);
      inbox.push(event);
      wakeReader();
    });
    listenFor(silenceMs);
    port.postMessage({ ...message, id } satisfies DoorRequest);

    for (;;) {
      await arrival();
      const event = inbox.shift();
      // An abort is the caller's own wish: nothing that came before it is read after it.
      const error = failed();
      if (error && (error.code === 'aborted' || !event)) throw error;
      if (event) yield event;
    }
  } finally {
    clearTimeout(timer);
    settled.abort();
    port?.disconnect();
  }
}

/** Only Lapis answers on this port; this guards against other versions of it. */
function isEvent(message: unknown): message is DoorEvent {
  return typeof message === 'object' && message !== null && typeof (message as { type?: unknown }).type === 'string';
}

function notThere(detail: string, cause?: unknown): LapisError {
  return new LapisError('peer-lost', `Lapis cannot be reached: ${detail.replace(/\.$/, '')}.`, { cause });
}
