import type { UseStore } from 'idb-keyval';
import { createStore, del, entries, get, update } from 'idb-keyval';

/** What the person decided about another extension, and how much it has used Lapis since. */
export interface ConsentRecord {
  /** The extension's id, as the browser gave it. */
  id: string;
  /** What the extension calls itself. Nobody has checked it. */
  name?: string;
  allowed: boolean;
  /** Milliseconds since 1970, all three. */
  firstAsked: number;
  lastUsed?: number;
  /** Answers asked for since it was allowed. */
  requests: number;
}

/** How the consent window gets and answers the open question, over a runtime port to the offscreen document. */
export const CONSENT_PORT = 'consent';

/** The question that the person is asked. */
export interface ConsentQuestion {
  /** Verified by the browser. */
  id: string;
  /** Where in that extension the caller runs: an address of its own, or a page in which it runs a script. */
  origin?: string;
  /** Unverified. */
  name?: string;
}

/** From the offscreen document to the window; without a question there is nothing to ask. */
export interface ConsentAsked {
  question?: ConsentQuestion;
}

/** From the window. A window that goes away without an answer has denied. */
export interface ConsentAnswer {
  allowed: boolean;
}

/** Asks the service worker, which alone can, to open the consent window. */
export interface AskConsentMessage {
  lapis: 'ask-consent';
}

/** The service worker's answer: at once when the browser refuses the window, else not before the window has been closed. */
export type AskConsentAnswer = 'refused' | 'closed';

/** Key-value storage as the records need it; idb-keyval's functions in the extension, a Map in tests. */
export interface ConsentStorage {
  get(id: string): Promise<ConsentRecord | undefined>;
  update(id: string, updater: (record: ConsentRecord | undefined) => ConsentRecord): Promise<void>;
  delete(id: string): Promise<void>;
  all(): Promise<ConsentRecord[]>;
}

/** The person's decisions. Every context of the extension may open one; they see each other's changes. */
export interface Consents {
  get(id: string): Promise<ConsentRecord | undefined>;
  /** All records, the last used first. */
  list(): Promise<ConsentRecord[]>;
  /** Records a decision: the answer in the window, or a change of mind in the settings. */
  decide(id: string, allowed: boolean, name?: string): Promise<void>;
  /** Counts a request of an allowed extension; does nothing for others. */
  countUse(id: string): Promise<void>;
  /** Forgets the extension: its next request asks the person again. */
  forget(id: string): Promise<void>;
  /** Calls back with the id after each decision and each forgetting, in whatever context it was made. */
  onChange(listener: (id: string) => void, signal: AbortSignal): void;
}

/** The channel on which contexts tell each other that a record has changed. */
const CHANNEL = 'lapis-consents';

/** Opens the records. IndexedDB has them, because the offscreen document that checks them has no `chrome.storage`. */
export function openConsents(storage: ConsentStorage = indexedDbStorage()): Consents {
  const changed = (id: string) => {
    const channel = new BroadcastChannel(CHANNEL);
    channel.postMessage(id);
    channel.close();
  };
  return {
    get: (id) => storage.get(id),
    async list() {
      const records = await storage.all();
      const time = (record: ConsentRecord) => record.lastUsed ?? record.firstAsked;
      return records.sort((a, b) => time(b) - time(a));
    },
    async decide(id, allowed, name) {
      await storage.update(id, (record) => ({
        requests: 0,
        firstAsked: Date.now(),
        ...record,
        id,
        allowed,
        ...(name === undefined ? {} : { name }),
      }));
      changed(id);
    },
    async countUse(id) {
      // `get` first: an update would make a record for an extension that was forgotten a moment ago.
      if (!(await storage.get(id))?.allowed) return;
      await storage.update(id, (record) => ({
        firstAsked: Date.now(),
        allowed: false,
        ...record,
        id,
        requests: (record?.requests ?? 0) + 1,
        lastUsed: Date.now(),
      }));
    },
    async forget(id) {
      await storage.delete(id);
      changed(id);
    },
    onChange(listener, signal) {
      const channel = new BroadcastChannel(CHANNEL);
      channel.addEventListener('message', (event: MessageEvent<unknown>) => {
        if (typeof event.data === 'string') listener(event.data);
      });
      signal.addEventListener('abort', () => channel.close(), { once: true });
    },
  };
}

function indexedDbStorage(): ConsentStorage {
  // Opened at the first use: importing a module must not touch the disk.
  let opened: UseStore | undefined;
  const store = () => {
    opened ??= createStore('lapis-consents', 'records');
    return opened;
  };
  return {
    get: (id) => get<ConsentRecord>(id, store()),
    update: (id, updater) => update<ConsentRecord>(id, updater, store()),
    delete: (id) => del(id, store()),
    all: async () => (await entries<string, ConsentRecord>(store())).map(([, record]) => record),
  };
}
