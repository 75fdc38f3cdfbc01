import type { Signal } from '@preact/signals';
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Platform } from './platform.ts';

/** A signal whose value outlasts the popup. What the person does before the kept value has been read wins over it. */
export function useKept<T>(platform: Platform, key: string, initial: T): Signal<T> {
  const value = useSignal(initial);
  useEffect(() => {
    let stop = () => {};
    let gone = false;
    const keep = () => {
      let first = true;
      stop = value.subscribe((next) => {
        if (!first) platform.remember(key, next);
        first = false;
      });
    };
    platform.recall(key).then((kept) => {
      if (gone) return;
      if (value.peek() !== initial) platform.remember(key, value.peek());
      else if (kept !== undefined) value.value = kept as T;
      keep();
    }, keep);
    return () => {
      gone = true;
      stop();
    };
  }, []);
  return value;
}
