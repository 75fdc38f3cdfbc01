import { complete, say } from './complete.ts';

/*
 * What a click of the person puts into a page, in the extension's isolated world: the page's scripts cannot see it. Each injection
 * replaces the one before, which may belong to a version of the extension that is gone.
 */

/** What the service worker calls after the injection. */
export interface LapisCard {
  complete(): void;
  say(sentence: string): void;
  /** Removes the card and ends what is under way. */
  end(): void;
}

const world = globalThis as { lapisCard?: LapisCard };
world.lapisCard?.end();

let life = new AbortController();

/** One card at a time. */
function renew(): [signal: AbortSignal, teardown: () => void] {
  life.abort();
  const own = new AbortController();
  life = own;
  // A page that goes away, or into the back-forward cache, takes the card with it.
  addEventListener('pagehide', () => own.abort(), { signal: own.signal });
  return [own.signal, () => own.abort()];
}

world.lapisCard = {
  complete: () => void complete(...renew()),
  say: (sentence) => say(sentence, ...renew()),
  end: () => life.abort(),
};
