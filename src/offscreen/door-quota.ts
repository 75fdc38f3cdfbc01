import { DOOR_LIMITS } from '../protocol/door.ts';
import { LapisError } from '../protocol/errors.ts';

/** What one caller has taken, over all its ports. */
interface Use {
  ports: number;
  running: number;
  /** Arrival of its messages in the last minute, oldest first. */
  messages: number[];
}

const MINUTE_MS = 60_000;

/** Counts what callers take and refuses what is over DOOR_LIMITS. A caller is a key: an extension's id or a tab. */
export class DoorQuota {
  readonly #uses = new Map<string, Use>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Takes a port; the returned function gives it back. @throws LapisError `busy` */
  takePort(key: string): () => void {
    const use = this.#use(key);
    if (use.ports >= DOOR_LIMITS.ports) {
      throw new LapisError('busy', `At most ${DOOR_LIMITS.ports} connections of one caller may be open at a time.`);
    }
    use.ports += 1;
    return once(() => {
      use.ports -= 1;
    });
  }

  /** Takes one of the answers that a caller may have under way; the returned function gives it back. @throws LapisError `busy` */
  takeRun(key: string): () => void {
    const use = this.#use(key);
    if (use.running >= DOOR_LIMITS.running) {
      throw new LapisError('busy', `At most ${DOOR_LIMITS.running} requests of one caller may be under way at a time.`);
    }
    use.running += 1;
    return once(() => {
      use.running -= 1;
    });
  }

  /** Counts a message. @throws LapisError `busy` when the caller sends too many. */
  countMessage(key: string): void {
    const use = this.#use(key);
    const time = this.#now();
    while (use.messages.length > 0 && time - use.messages[0] >= MINUTE_MS) use.messages.shift();
    if (use.messages.length >= DOOR_LIMITS.messagesPerMinute) {
      throw new LapisError(
        'busy',
        `At most ${DOOR_LIMITS.messagesPerMinute} messages a minute are answered; wait a little.`,
      );
    }
    use.messages.push(time);
  }

  #use(key: string): Use {
    let use = this.#uses.get(key);
    if (!use) {
      this.#forgetIdle();
      use = { ports: 0, running: 0, messages: [] };
      this.#uses.set(key, use);
    }
    return use;
  }

  /** Callers without ports are kept as long as their messages count: closing a port must not reset the quota. */
  #forgetIdle(): void {
    const time = this.#now();
    for (const [key, use] of this.#uses) {
      const recent = use.messages.some((arrival) => time - arrival < MINUTE_MS);
      if (use.ports === 0 && use.running === 0 && !recent) this.#uses.delete(key);
    }
  }
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}
