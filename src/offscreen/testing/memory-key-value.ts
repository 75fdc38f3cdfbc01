import type { KeyValue } from '../key-value.ts';

/** Small state that lasts as long as the test. */
export function memoryKeyValue(): KeyValue {
  const kept = new Map<string, unknown>();
  return {
    get: async <T>(key: string) => kept.get(key) as T | undefined,
    set: async (key, value) => void kept.set(key, structuredClone(value)),
  };
}
