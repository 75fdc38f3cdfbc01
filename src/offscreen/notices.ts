import type { Notice } from '../protocol/host.ts';
import type { KeyValue } from './key-value.ts';

/** Under which the notices are kept. */
export const NOTICES_KEY = 'notices';

/** Whoever never opens a page of Lapis finds the latest only. */
const MOST_NOTICES = 20;

/**
 * What was purged or repaired and why, until the person has read it: it may have been a card in a page or another extension that
 * started the engine, and the engine ends before a page of Lapis is opened.
 */
export class Notices {
  readonly #keyValue: KeyValue;
  #current: Notice[];
  /** The last write: one after the other. */
  #written: Promise<unknown> = Promise.resolve();

  static async open(keyValue: KeyValue): Promise<Notices> {
    return new Notices(keyValue, (await keyValue.get<Notice[]>(NOTICES_KEY)) ?? []);
  }

  private constructor(keyValue: KeyValue, current: Notice[]) {
    this.#keyValue = keyValue;
    this.#current = current;
  }

  /** The oldest first. */
  get current(): Notice[] {
    return this.#current;
  }

  add(sentences: readonly string[]): void {
    if (sentences.length === 0) return;
    // The same sentence may come twice in a millisecond, and a clock may be set back.
    const first = Math.max(Date.now(), (this.#current.at(-1)?.at ?? 0) + 1);
    const added = sentences.map((text, index) => ({ at: first + index, text }));
    this.#keep([...this.#current, ...added].slice(-MOST_NOTICES));
  }

  /** Resolves when they will not come back. Those that are not there are gone already. */
  async dismiss(times: readonly number[]): Promise<void> {
    this.#keep(this.#current.filter(({ at }) => !times.includes(at)));
    await this.#written;
  }

  #keep(notices: Notice[]): void {
    this.#current = notices;
    // Where nothing can be kept they are shown for as long as the engine lives.
    this.#written = this.#written.then(() => this.#keyValue.set(NOTICES_KEY, notices)).catch(() => {});
  }
}
