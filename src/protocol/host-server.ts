import { expose, transfer } from 'comlink';
import { LapisError } from './errors.ts';
import type { LapisHost } from './host.ts';
import type { Greeting, Outcome } from './host-channel.ts';
import { HOST_METHODS, watchLock } from './host-channel.ts';

export interface ServeOptions {
  /** A lock that this context holds, and one that the page holds (see host-channel.ts). */
  lock?: string;
  pageLock?: string;
  /** The page is gone. */
  onEnd?: () => void;
}

/**
 * Serves `host` on a page's port: greets, then answers Comlink calls with outcomes. When the page goes away every stream that it
 * was given is cancelled, so a generation that nobody reads ends.
 */
export function serveHost(host: LapisHost, port: MessagePort, { lock, pageLock, onEnd }: ServeOptions = {}): void {
  const open = new Set<ReadableStreamDefaultReader<unknown>>();
  const answer = async (call: () => Promise<unknown>): Promise<Outcome<unknown>> => {
    try {
      const value = await call();
      if (!(value instanceof ReadableStream)) return { value };
      const stream = tracked(value, open);
      return transfer({ value: stream }, [stream]);
    } catch (error) {
      return { error: LapisError.from(error).toPayload() };
    }
  };
  const methods: Record<string, (...args: unknown[]) => Promise<Outcome<unknown>>> = {};
  for (const name of HOST_METHODS) {
    methods[name] = (...args) => answer(() => (host[name] as (...args: unknown[]) => Promise<unknown>)(...args));
  }
  const ended = new AbortController();
  const end = () => {
    if (ended.signal.aborted) return;
    ended.abort();
    for (const reader of open) reader.cancel().catch(() => {});
    open.clear();
    port.close();
    onEnd?.();
  };
  port.addEventListener('close', end);
  if (pageLock) watchLock(pageLock, end, ended.signal);
  port.postMessage({ lapis: 'welcome', lock } satisfies Greeting);
  expose(methods, port);
}

/** A transferred stream is locked, so its source is read here, where it can still be cancelled. */
function tracked(
  source: ReadableStream<unknown>,
  open: Set<ReadableStreamDefaultReader<unknown>>,
): ReadableStream<unknown> {
  const reader = source.getReader();
  open.add(reader);
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) {
            open.delete(reader);
            controller.close();
          } else controller.enqueue(value);
        } catch (error) {
          open.delete(reader);
          controller.error(error);
        }
      },
      cancel(reason) {
        open.delete(reader);
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
