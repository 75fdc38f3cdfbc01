import { get, set } from 'idb-keyval';

/** Small state that survives the engine worker. */
export interface KeyValue {
  get<T>(key: string): Promise<T | undefined>;
  set(key: string, value: unknown): Promise<void>;
}

/** In IndexedDB: the offscreen document's contexts have no `chrome.storage`. */
export const indexedDbKeyValue: KeyValue = {
  get: (key) => get(key),
  set: (key, value) => set(key, value),
};
