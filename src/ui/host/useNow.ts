import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

/** The time in milliseconds since 1970, anew each second while it is `ticking`. */
export function useNow(ticking: boolean): number {
  const now = useSignal(Date.now());
  useEffect(() => {
    if (!ticking) return;
    now.value = Date.now();
    const timer = setInterval(() => {
      now.value = Date.now();
    }, 1_000);
    return () => clearInterval(timer);
  }, [ticking]);
  return now.value;
}
