import type { ErrorPayload } from './errors.ts';
import { LapisError } from './errors.ts';
import type { LapisHost } from './host.ts';

/*
 * How a page of ours gets its line to the engine worker. The page makes a MessageChannel and sends one end along: page → service
 * worker → offscreen document → engine worker. The first message that comes back on it is a Greeting; from then on it speaks
 * Comlink, and the contexts in between have no part in it.
 */

/**
 * Sent with the page's port at each hop. `lock` names a Web Lock that the page holds while it lives: the browser gives it to the
 * worker the moment the page is gone, however it ended. (A port's `close` event does not come when its whole context goes.)
 */
export interface ConnectMessage {
  lapis: 'connect';
  lock?: string;
}

/** Sent by the service worker with a port on which the offscreen document answers anything, to show that it lives. */
export interface HelloMessage {
  lapis: 'hello';
}

/** The first message on a page's port. `lock` is the worker's, likewise. */
export type Greeting = { lapis: 'welcome'; lock?: string } | { lapis: 'refused'; error: ErrorPayload };

/** What a call gives back: Comlink alone would lose an error's code on the way. */
export type Outcome<T> = { value: T } | { error: ErrorPayload };

/** LapisHost as it crosses the channel. */
export type WireHost = {
  [K in keyof LapisHost]: (...args: Parameters<LapisHost[K]>) => Promise<Outcome<Awaited<ReturnType<LapisHost[K]>>>>;
};

/** Every method of LapisHost: what a page may call and nothing else. As keys, so that a forgotten one does not compile. */
const METHODS: Record<keyof LapisHost, true> = {
  watchStatus: true,
  listModels: true,
  selectModel: true,
  importModel: true,
  findModel: true,
  downloadModel: true,
  pauseDownload: true,
  resumeDownload: true,
  cancelDownload: true,
  acceptTerms: true,
  acceptedTerms: true,
  cancelModelActivity: true,
  unloadModel: true,
  removeModel: true,
  verifyModel: true,
  exportModel: true,
  importFolder: true,
  dismissNotices: true,
  generate: true,
  runBenchmark: true,
  watchChat: true,
  sendChat: true,
  stopChat: true,
  retryChat: true,
  newChat: true,
  chatSettings: true,
  setChatSettings: true,
  ping: true,
};

export const HOST_METHODS = Object.keys(METHODS) as (keyof LapisHost)[];

export function isMessage<T extends { lapis: string }>(data: unknown, kind: T['lapis']): data is T {
  return typeof data === 'object' && data !== null && (data as { lapis?: unknown }).lapis === kind;
}

/** Takes a lock for as long as this context lives. */
export async function holdLock(name: string): Promise<void> {
  await new Promise<void>((held) => {
    void navigator.locks.request(name, () => {
      held();
      return new Promise(() => {});
    });
  });
}

/** Calls `onReleased` when the context that holds the lock is gone; not after `signal`. */
export function watchLock(name: string, onReleased: () => void, signal: AbortSignal): void {
  navigator.locks.request(name, { signal }, onReleased).catch(() => {
    // Only the signal ends the wait without the lock.
  });
}

/** The error of everything that was under way when the context at the other end died. */
export function peerLost(detail: string): LapisError {
  return new LapisError('peer-lost', `The engine stopped: ${detail}. Ask again to start it anew.`);
}
