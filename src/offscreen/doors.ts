import type { Consents } from '../protocol/consent.ts';
import { CONSENT_PORT } from '../protocol/consent.ts';
import type { DoorEvent, DoorPort } from '../protocol/door.ts';
import { DOOR_NAME, DOOR_PREFIX } from '../protocol/door.ts';
import type { DoorSender, RelayAnswer } from '../protocol/door-relay.ts';
import { doorSender, parseRelayOpening, RELAY_PORT } from '../protocol/door-relay.ts';
import { LapisError } from '../protocol/errors.ts';
import { DoorQuota } from './door-quota.ts';
import type { Caller, DoorHost, DoorServices } from './door-session.ts';
import { DoorSession, keyOf } from './door-session.ts';
import { Permissions } from './permissions.ts';

export interface DoorOptions {
  openHost: () => DoorHost;
  consents: Consents;
  /** Opens the consent window. */
  openConsentWindow: () => Promise<void>;
}

/** A runtime port with what the browser says about its other end. */
export type ReceivedPort = DoorPort & { readonly sender?: chrome.runtime.MessageSender };

/** An extension's id as Chrome makes it: 128 bits in the letters a to p. */
const EXTENSION_ID = /^[a-p]{32}$/;

/**
 * For this long after its start the document asks itself whether it got a client's port directly: the service worker's port and
 * this document's come from one event, but the browser may have sent it while the document was still registering its listeners.
 */
const UNCERTAIN_MS = 2_000;

/** Every port that ends in the offscreen document: strangers, the service worker's relays, the consent window. */
export class Doors {
  readonly #services: DoorServices;
  readonly #permissions: Permissions;
  readonly #sessions = new Set<DoorSession>();
  readonly #ownId: string;
  readonly #startedAt = Date.now();
  /** Callers whose ports came directly while that was uncertain. */
  readonly #directEarly = new Set<string>();

  constructor({ openHost, consents, openConsentWindow }: DoorOptions, ownId: string, signal: AbortSignal) {
    this.#ownId = ownId;
    this.#permissions = new Permissions({ consents, openWindow: openConsentWindow });
    this.#services = { openHost, permissions: this.#permissions, quota: new DoorQuota() };
    consents.onChange((id) => void this.#endRevoked(id, consents), signal);
  }

  /** Whether closing the document would cut somebody off. */
  get busy(): boolean {
    return this.#permissions.asking || [...this.#sessions].some(({ running }) => running);
  }

  /** A port from `runtime.onConnectExternal`. */
  connectExternal(port: ReceivedPort): void {
    this.#receive(port, true);
  }

  /** A port from `runtime.onConnect`. */
  connect(port: ReceivedPort): void {
    const { sender } = port;
    const own = isOwn(sender, this.#ownId);
    if (port.name === RELAY_PORT && own && !sender?.tab) this.#receiveRelay(port);
    else if (port.name === CONSENT_PORT && own) this.#permissions.serveWindow(port);
    else if (!own) this.#receive(port, false);
  }

  #receive(port: ReceivedPort, external: boolean): void {
    if (!port.name.startsWith(DOOR_PREFIX)) return;
    const sender = doorSender(port.sender);
    if (Date.now() - this.#startedAt < UNCERTAIN_MS) this.#directEarly.add(directKey(sender, port.name));
    this.#admit(port, port.name, sender, external);
  }

  #receiveRelay(port: ReceivedPort): void {
    const open = (message: unknown) => {
      port.onMessage.removeListener(open);
      const opening = parseRelayOpening(message);
      if (!opening) return port.disconnect();
      const age = opening.openedAt - this.#startedAt;
      const direct = age > UNCERTAIN_MS || (age > 0 && this.#directEarly.has(directKey(opening.sender, opening.name)));
      port.postMessage({ lapis: direct ? 'direct' : 'relay' } satisfies RelayAnswer);
      if (!direct) this.#admit(port, opening.name, opening.sender, opening.external);
    };
    port.onMessage.addListener(open);
  }

  #admit(port: DoorPort, name: string, sender: DoorSender, external: boolean): void {
    const caller = callerOf(sender, external, this.#ownId);
    try {
      if (!caller) throw new LapisError('not-allowed', 'Lapis answers other extensions only.');
      if (name !== DOOR_NAME) {
        throw new LapisError('unsupported', `Lapis speaks ${DOOR_NAME}, not the version of this connection's name.`);
      }
      const givePortBack = this.#services.quota.takePort(keyOf(caller));
      const session = new DoorSession(port, caller, this.#services, () => {
        this.#sessions.delete(session);
        givePortBack();
      });
      this.#sessions.add(session);
    } catch (error) {
      port.postMessage({ type: 'error', error: LapisError.from(error).toPayload() } satisfies DoorEvent);
      port.disconnect();
    }
  }

  async #endRevoked(id: string, consents: Consents): Promise<void> {
    if ((await consents.get(id))?.allowed) return;
    for (const session of this.#sessions) {
      if (session.caller.kind === 'extension' && session.caller.id === id) session.revoke();
    }
  }
}

/**
 * Whether a page or worker of this extension is at the other end, and no content script. The browser sets the origin, which for a
 * content script is its page's; a service worker has none, but its address.
 */
export function isOwn(sender: chrome.runtime.MessageSender | undefined, ownId: string): boolean {
  const own = `chrome-extension://${ownId}`;
  if (sender?.id !== ownId) return false;
  if (sender.origin !== undefined) return sender.origin === own;
  return !sender.tab && sender.url !== undefined && sender.url.startsWith(`${own}/`);
}

/** Who a sender is, by what the browser verified; undefined for whoever the door is not for. */
export function callerOf(sender: DoorSender, external: boolean, ownId: string): Caller | undefined {
  if (external) {
    if (!sender.id || sender.id === ownId || !EXTENSION_ID.test(sender.id)) return undefined;
    return { kind: 'extension', id: sender.id, ...(sender.origin ? { origin: sender.origin } : {}) };
  }
  if (sender.id !== ownId || sender.tabId === undefined) return undefined;
  return { kind: 'card', tabId: sender.tabId };
}

function directKey(sender: DoorSender, name: string): string {
  return JSON.stringify([sender.id, sender.documentId ?? sender.url, name]);
}
