import type { DoorEvent, DoorPort, DoorRequest } from '../protocol/door.ts';
import { DOOR_HEARTBEAT_MS, DOOR_LIMITS, DOOR_VERSION } from '../protocol/door.ts';
import { idOf, parseDoorRequest } from '../protocol/door-schema.ts';
import { LapisError } from '../protocol/errors.ts';
import type { GenerateEvent } from '../protocol/generation.ts';
import type { HostStatus, LapisHost } from '../protocol/host.ts';
import type { DoorQuota } from './door-quota.ts';
import type { Permissions } from './permissions.ts';
import { presentableName, revoked } from './permissions.ts';

/** Who is at the other end, as the browser says. */
export type Caller =
  /** Another extension. `origin` is where in it the caller runs. */
  | { kind: 'extension'; id: string; origin?: string }
  /** The card that a click of the person has put into a page: needs no permission. */
  | { kind: 'card'; tabId: number };

/** The part of the host that a door needs; `close` gives the line up. */
export type DoorHost = Pick<LapisHost, 'generate' | 'watchStatus' | 'listModels'> & { close(): void };

export interface DoorServices {
  /** A new line to the engine for each request: no line, no reason to keep an idle engine. */
  openHost: () => DoorHost;
  permissions: Permissions;
  quota: DoorQuota;
  heartbeatMs?: number;
}

/** A caller's key for the quota. */
export function keyOf(caller: Caller): string {
  return caller.kind === 'extension' ? caller.id : `tab:${caller.tabId}`;
}

type GenerateMessage = Extract<DoorRequest, { type: 'generate' }>;

/** What is known of an answer so far and stands in its last event. */
type Account = Pick<Extract<DoorEvent, { type: 'end' }>, 'usage' | 'suspect'>;

/** One port of a stranger, from its first message to its end. */
export class DoorSession {
  readonly caller: Caller;
  readonly #port: DoorPort;
  readonly #services: DoorServices;
  #running: { id: string; stop: AbortController } | undefined;
  #badMessages = 0;
  #open = true;

  readonly #closed: () => void;

  /** @param closed called once, when either end has closed the port */
  constructor(port: DoorPort, caller: Caller, services: DoorServices, closed: () => void) {
    this.caller = caller;
    this.#port = port;
    this.#services = services;
    this.#closed = closed;
    port.onMessage.addListener((message) => this.#receive(message));
    port.onDisconnect.addListener(() => this.#close('The caller hung up.'));
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  /** Ends the request under way, because the person has taken the permission back. */
  revoke(): void {
    this.#running?.stop.abort(revoked());
  }

  #say(event: DoorEvent): void {
    if (!this.#open) return;
    try {
      this.#port.postMessage(event);
    } catch {
      // The port closed a moment ago; its disconnect event is on the way.
      this.#close('The caller hung up.');
    }
  }

  #close(reason: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.#running?.stop.abort(new LapisError('aborted', reason));
    this.#closed();
  }

  #refuse(id: string | undefined, error: LapisError): void {
    this.#say({ type: 'error', ...(id === undefined ? {} : { id }), error: error.toPayload() });
  }

  #receive(message: unknown): void {
    if (!this.#open) return;
    let request: DoorRequest;
    try {
      this.#services.quota.countMessage(keyOf(this.caller));
      request = parseDoorRequest(message);
    } catch (error) {
      const id = idOf(message);
      // An error with the id of the request under way would look like that one's end.
      this.#refuse(id === this.#running?.id ? undefined : id, LapisError.from(error));
      this.#badMessages += 1;
      if (this.#badMessages < DOOR_LIMITS.badMessages) return;
      // Chrome tells only the other end of a disconnect.
      this.#close('The caller sent too many bad messages.');
      this.#port.disconnect();
      return;
    }
    if (request.type === 'status') void this.#answerStatus(request.id);
    else if (request.type === 'generate') this.#start(request);
    // A cancel that crosses the end of its request on the way is no fault.
    else if (this.#running?.id === request.id) {
      this.#running.stop.abort(new LapisError('aborted', 'The caller cancelled the request.'));
    }
  }

  #start(message: GenerateMessage): void {
    if (this.#running) {
      const same = this.#running.id === message.id;
      const busy = new LapisError('busy', 'A request is under way on this connection; each has one at a time.');
      this.#refuse(same ? undefined : message.id, busy);
      return;
    }
    let leave: () => void;
    try {
      leave = this.#services.quota.takeRun(keyOf(this.caller));
    } catch (error) {
      this.#refuse(message.id, LapisError.from(error));
      return;
    }
    const running = { id: message.id, stop: new AbortController() };
    this.#running = running;
    void this.#run(message, running.stop.signal).then((last) => {
      leave();
      this.#running = undefined;
      this.#say(last);
    });
  }

  /** Runs the request, says everything up to its last event, and resolves with that. */
  async #run({ id, request, name }: GenerateMessage, signal: AbortSignal): Promise<DoorEvent> {
    const { heartbeatMs = DOOR_HEARTBEAT_MS, permissions, openHost } = this.#services;
    let waitingFor: 'permission' | 'engine' = 'engine';
    let saidAt = 0;
    const say = (event: DoorEvent) => {
      saidAt = performance.now();
      this.#say(event);
    };
    const wait = () => say({ type: 'waiting', id, for: waitingFor });
    const heartbeat = setInterval(() => {
      if (performance.now() - saidAt >= heartbeatMs * 0.9) wait();
    }, heartbeatMs);
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    // Without a reader of its own it would be reported as unhandled when the abort comes between two races.
    aborted.catch(() => {});
    const account: Account = { usage: { promptTokens: 0, completionTokens: 0 } };
    let host: DoorHost | undefined;
    try {
      if (this.caller.kind === 'extension') {
        const question = { id: this.caller.id, origin: this.caller.origin, name: presentableName(name) };
        const asking = () => {
          waitingFor = 'permission';
          wait();
        };
        await Promise.race([permissions.require(question, asking), aborted]);
        await permissions.countUse(this.caller.id);
      }
      waitingFor = 'engine';
      wait();
      host = openHost();
      const answer = host.generate({ maxTokens: DOOR_LIMITS.defaultMaxTokens, ...request });
      const reader = (await Promise.race([answer, aborted])).getReader();
      for (;;) {
        const { done, value } = await Promise.race([reader.read(), aborted]);
        if (done) throw new LapisError('internal', 'The answer broke off without an end.');
        if (value.type === 'start') {
          // The model has been loaded and probed by then.
          const { suspect } = await Promise.race([presentStatus(host), aborted]);
          if (suspect !== undefined) account.suspect = suspect;
        }
        const last = this.#pass(id, value, account, say);
        if (last) return last;
      }
    } catch (error) {
      const failure = LapisError.from(error);
      if (failure.code === 'aborted') return { type: 'end', id, finishReason: 'abort', ...account };
      return { type: 'error', id, error: failure.toPayload() };
    } finally {
      clearInterval(heartbeat);
      // Hanging up cancels whatever the engine still does for this request.
      host?.close();
    }
  }

  /** Passes one event on in the door's words; returns the last one instead of saying it. */
  #pass(id: string, event: GenerateEvent, account: Account, say: (event: DoorEvent) => void): DoorEvent | undefined {
    const { usage, ...doubt } = account;
    switch (event.type) {
      case 'start':
        usage.promptTokens = event.promptTokens.length;
        say({ type: 'start', id, promptTokens: usage.promptTokens, ...doubt });
        return undefined;
      case 'prefill':
        return undefined;
      case 'text':
        usage.completionTokens += event.tokens.length;
        if (event.text !== '') say({ type: 'text', id, text: event.text });
        return undefined;
      case 'end': {
        usage.completionTokens = event.tokens.length;
        const speed = event.timings.decodeTokensPerSecond;
        return {
          type: 'end',
          id,
          finishReason: event.finishReason,
          usage,
          ...(speed > 0 && Number.isFinite(speed) ? { tokensPerSecond: speed } : {}),
          ...doubt,
        };
      }
      case 'error':
        return { type: 'error', id, error: event.error };
    }
  }

  async #answerStatus(id: string): Promise<void> {
    let host: DoorHost | undefined;
    try {
      const permission =
        this.caller.kind === 'card' ? 'allowed' : await this.#services.permissions.state(this.caller.id);
      const answer = { type: 'status', id, version: DOOR_VERSION, permission } as const;
      // Which models the person has is nobody's business before they have allowed the caller.
      if (permission !== 'allowed') return this.#say(answer);
      host = this.#services.openHost();
      const { selectedModelId, loadedModelId } = await presentStatus(host);
      const entry = (await host.listModels()).find((model) => model.id === selectedModelId);
      this.#say({
        ...answer,
        model: {
          id: selectedModelId,
          loaded: loadedModelId === selectedModelId,
          ...(entry?.suspect !== undefined && { suspect: entry.suspect }),
        },
      });
    } catch (error) {
      this.#refuse(id, LapisError.from(error));
    } finally {
      host?.close();
    }
  }
}

async function presentStatus(host: DoorHost): Promise<HostStatus> {
  const reader = (await host.watchStatus()).getReader();
  const { value } = await reader.read();
  // It would tell of every change until the line is given up.
  reader.cancel().catch(() => {});
  if (!value) throw new LapisError('internal', 'The engine gave no status.');
  return value;
}
