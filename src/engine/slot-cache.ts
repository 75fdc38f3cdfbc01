import type { LoadedModel, Slot } from '../gpu/contract.ts';

/** A shorter common beginning (bos and a turn's head) is not worth another conversation's cache. */
const MIN_REUSED_TOKENS = 16;

interface CachedSlot {
  slot: Slot;
  /** The tokens whose KV the slot holds, while it is free. */
  tokens: number[];
  leased: boolean;
  /** Counts up; the least is the longest unused. */
  usedAt: number;
}

/** A slot for one generation, standing after the first `reused` tokens of its prompt. */
export interface SlotLease {
  slot: Slot;
  reused: number;
}

/** The model's slots, each kept with what it holds when a generation ends, so that a next turn prefills only what is new. */
export class SlotCache {
  readonly #model: LoadedModel;
  #slots: CachedSlot[] = [];
  #uses = 0;

  constructor(model: LoadedModel) {
    this.#model = model;
  }

  /**
   * The free slot that holds the longest beginning of `prompt`, else an unused one, else the free one that was not used for the
   * longest time, emptied; undefined when none is free. At least the prompt's last token is left to prefill.
   */
  acquire(prompt: readonly number[]): SlotLease | undefined {
    const free = this.#slots.filter(({ leased }) => !leased);
    const candidates = free
      .map((cached) => ({ cached, common: commonLength(cached.tokens, prompt) }))
      .filter(({ cached, common }) => common >= MIN_REUSED_TOKENS || (common > 0 && common === cached.tokens.length))
      .sort((a, b) => b.common - a.common || b.cached.usedAt - a.cached.usedAt);
    for (const { cached, common } of candidates) {
      if (this.#model.position(cached.slot) === common || this.#model.rewind(cached.slot, common)) {
        return this.#lease(cached, common);
      }
    }
    const opened = this.#open();
    if (opened) return this.#lease(opened, 0);
    const oldest = free.sort((a, b) => a.usedAt - b.usedAt)[0];
    if (oldest === undefined) return undefined;
    if (this.#model.rewind(oldest.slot, 0)) return this.#lease(oldest, 0);
    this.#close(oldest);
    const reopened = this.#open();
    return reopened && this.#lease(reopened, 0);
  }

  /** Gives a slot back. `tokens`: those at its beginning that are known; what stands after them is forgotten. */
  release({ slot }: SlotLease, tokens: number[]): void {
    const cached = this.#slots.find((candidate) => candidate.slot === slot)!;
    if (this.#model.position(slot) !== tokens.length && !this.#model.rewind(slot, tokens.length)) {
      this.#close(cached);
      return;
    }
    cached.tokens = tokens;
    cached.leased = false;
  }

  /** Gives a slot back whose state is not known. */
  discard({ slot }: SlotLease): void {
    this.#close(this.#slots.find((candidate) => candidate.slot === slot)!);
  }

  #open(): CachedSlot | undefined {
    const slot = this.#model.openSlot();
    if (slot === undefined) return undefined;
    const opened: CachedSlot = { slot, tokens: [], leased: false, usedAt: 0 };
    this.#slots.push(opened);
    return opened;
  }

  #close(cached: CachedSlot): void {
    this.#slots = this.#slots.filter((other) => other !== cached);
    this.#model.closeSlot(cached.slot);
  }

  #lease(cached: CachedSlot, reused: number): SlotLease {
    cached.leased = true;
    cached.usedAt = ++this.#uses;
    return { slot: cached.slot, reused };
  }
}

/** How many tokens both begin with, the prompt's last one not counted. */
function commonLength(tokens: readonly number[], prompt: readonly number[]): number {
  const limit = Math.min(tokens.length, prompt.length - 1);
  let length = 0;
  while (length < limit && tokens[length] === prompt[length]) length++;
  return length;
}
