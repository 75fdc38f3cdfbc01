import type { DownloadBadge } from '../protocol/download-badge.ts';
import { LapisError } from '../protocol/errors.ts';
import type { ConnectMessage, Greeting } from '../protocol/host-channel.ts';
import { peerLost, watchLock } from '../protocol/host-channel.ts';
import type { LifelineAnswer, LifelineMessage } from './lifeline.ts';

export interface SupervisorOptions {
  createWorker: () => Worker;
  /** Called once the worker has been idle for `idleMs`. */
  onIdle: () => void;
  /** Whether there is work that goes on without a page: the worker is then started anew by itself. */
  hasWork: () => Promise<boolean>;
  /** What the toolbar icon is to show of the downloads. */
  onBadge: (badge: DownloadBadge | undefined) => void;
  idleMs?: number;
  pingIntervalMs?: number;
  deadAfterMs?: number;
  /** The first pause before a worker with work is started anew; each following one is twice as long. */
  reviveMs?: number;
}

interface Running {
  worker: Worker;
  lifeline: MessagePort;
  watchdog: ReturnType<typeof setInterval>;
  ended: AbortController;
  /** Whether it has ever been ready to serve. */
  ready: boolean;
  /** Ports to hand over when the worker has shown that it is alive: one given to a dead worker would be lost. */
  waiting: WaitingPort[];
}

interface WaitingPort {
  port: MessagePort;
  message: ConnectMessage;
}

/** The worker and its GPU memory are given up after this long without a page and without work. */
const IDLE_MS = 5 * 60_000;
const PING_INTERVAL_MS = 2_000;
/** Longer than any step of the worker that does not yield (building a tokenizer, say) takes on a slow machine. */
const DEAD_AFTER_MS = 8_000;
const REVIVE_MS = 500;
/** A worker that dies of its work again and again is not started more often than this. */
const REVIVE_AT_MOST_MS = 5 * 60_000;
/** One that has lived for so long did not die of being started. */
const HEALTHY_AFTER_MS = 60_000;

/**
 * Starts the engine worker when a port wants it or there is work that goes on without one, and ends it when it no longer answers. Ports that were with it learn of its death
 * by themselves (its lock); those that wait get a new worker, or are refused if it cannot even start.
 */
export class EngineSupervisor {
  readonly #options: Required<SupervisorOptions>;
  #running: Running | undefined;
  #reviveMs: number;

  constructor(options: SupervisorOptions) {
    this.#options = {
      idleMs: IDLE_MS,
      pingIntervalMs: PING_INTERVAL_MS,
      deadAfterMs: DEAD_AFTER_MS,
      reviveMs: REVIVE_MS,
      ...options,
    };
    this.#reviveMs = this.#options.reviveMs;
  }

  /** Starts the worker if there is work that goes on without a page. */
  async resume(): Promise<void> {
    if (this.#running || !(await this.#options.hasWork())) return;
    this.#running ??= this.#start();
  }

  /** Hands the port to the worker, which greets on it. */
  connect(port: MessagePort, message: ConnectMessage = { lapis: 'connect' }): void {
    this.#running ??= this.#start();
    this.#running.waiting.push({ port, message });
    this.#running.lifeline.postMessage('ping');
  }

  #start(waiting: WaitingPort[] = []): Running {
    const { createWorker, onIdle, onBadge, idleMs, pingIntervalMs, deadAfterMs, reviveMs } = this.#options;
    const worker = createWorker();
    const { port1: lifeline, port2 } = new MessageChannel();
    // Counted in turns, not read from a clock: a machine that slept, or has no time for us, is not a dead worker.
    let unansweredTurns = 0;
    const startedAt = performance.now();
    let busyAt = startedAt;
    const watchdog = setInterval(() => {
      unansweredTurns++;
      if (unansweredTurns * pingIntervalMs > deadAfterMs) this.#end(running, peerLost('it no longer answers'));
      else if (performance.now() - busyAt > idleMs) onIdle();
      else lifeline.postMessage('ping');
    }, pingIntervalMs);
    const running: Running = { worker, lifeline, watchdog, ended: new AbortController(), ready: false, waiting };
    lifeline.onmessage = ({ data }: MessageEvent<LifelineAnswer>) => {
      unansweredTurns = 0;
      if (performance.now() - startedAt > HEALTHY_AFTER_MS) this.#reviveMs = reviveMs;
      if (data.type === 'badge') return onBadge(data.badge);
      if (data.type === 'failed') return this.#end(running, LapisError.fromPayload(data.error));
      if (data.type === 'ready') {
        running.ready = true;
        watchLock(data.lock, () => this.#end(running, peerLost('its worker has ended')), running.ended.signal);
      } else if (!data.idle) busyAt = performance.now();
      if (!running.ready) return;
      for (const { port, message } of running.waiting.splice(0)) worker.postMessage(message, [port]);
    };
    worker.addEventListener('error', (event) => {
      if (running.ready) return;
      this.#end(running, peerLost(`its worker did not start (${event.message || 'the script did not load'})`));
    });
    worker.postMessage({ lapis: 'lifeline' } satisfies LifelineMessage, [port2]);
    return running;
  }

  #end(running: Running, error: LapisError): void {
    if (running.ended.signal.aborted) return;
    running.ended.abort();
    clearInterval(running.watchdog);
    running.lifeline.close();
    running.worker.terminate();
    if (this.#running === running) this.#running = undefined;
    // A port that comes first starts it too, at once.
    setTimeout(() => void this.resume(), this.#reviveMs);
    this.#reviveMs = Math.min(2 * this.#reviveMs, REVIVE_AT_MOST_MS);
    if (running.waiting.length === 0) return;
    if (running.ready) {
      this.#running = this.#start(running.waiting);
      return;
    }
    const refusal: Greeting = { lapis: 'refused', error: error.toPayload() };
    for (const { port } of running.waiting) port.postMessage(refusal);
  }
}
