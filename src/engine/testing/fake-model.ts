import type { LoadedModel, SampledToken, Slot } from '../../gpu/contract.ts';
import { MAX_STEPS_TOGETHER } from '../../gpu/step-pace.ts';
import { LapisError } from '../../protocol/errors.ts';
import type { SamplingOptions } from '../../protocol/generation.ts';

export interface FakeModelOptions {
  /** The token after these. */
  next: (tokens: readonly number[], sampling: SamplingOptions, mask?: Uint32Array) => number;
  contextTokens?: number;
  slotCount?: number;
  chunk?: number;
  /** How far `rewind` reaches back, as a ring of the local layers limits it. */
  rewindReach?: number;
  /** The first step of each number of slots begins this much later, as if it had to compile; later calls may overtake it. */
  compileMs?: number;
  /** What each step takes. */
  stepMs?: number;
}

interface FakeSlot {
  open: boolean;
  /** The tokens whose KV the slot would hold. */
  tokens: number[];
  sampled: number;
  sampling: SamplingOptions;
  mask?: Uint32Array;
}

/**
 * A LoadedModel in memory. Work happens in the order of the calls, read-backs come later, as on a GPU; `hold` stops them until `release`.
 * It records what it was asked, and throws on what the contract forbids.
 */
export class FakeModel implements LoadedModel {
  readonly contextTokens: number;
  readonly slotCount: number;
  readonly gpuBytes = 0;
  readonly lost: Promise<string>;
  /** Every call that made the model work. */
  readonly log: (
    | { call: 'prefill'; slot: Slot; tokens: number[] }
    | { call: 'step'; slots: Slot[] }
    | { call: 'rewind'; slot: Slot; position: number; done: boolean }
  )[] = [];
  /** How many steps each submit took. */
  readonly submits: number[] = [];
  readonly #options: Required<Pick<FakeModelOptions, 'chunk' | 'rewindReach'>> & FakeModelOptions;
  readonly #slots: FakeSlot[];
  #lose: (sentence: string) => void = () => {};
  #gate: Promise<void> = Promise.resolve();
  #openGate: () => void = () => {};
  #working: Promise<void> = Promise.resolve();
  readonly #compiled = new Map<number, Promise<void>>();
  #failure: Error | undefined;

  constructor(options: FakeModelOptions) {
    this.#options = { chunk: 4, rewindReach: Number.POSITIVE_INFINITY, ...options };
    this.contextTokens = options.contextTokens ?? 1000;
    this.slotCount = options.slotCount ?? 4;
    this.#slots = Array.from({ length: this.slotCount }, () => ({
      open: false,
      tokens: [],
      sampled: -1,
      sampling: {},
    }));
    this.lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
  }

  get openSlots(): number {
    return this.#slots.filter(({ open }) => open).length;
  }

  /** The slots of each step. */
  get stepped(): Slot[][] {
    return this.log.flatMap((entry) => (entry.call === 'step' ? [entry.slots] : []));
  }

  get prefills(): number[][] {
    return this.log.flatMap((entry) => (entry.call === 'prefill' ? [entry.tokens] : []));
  }

  /** From here on nothing is read back until `release`. */
  hold(): void {
    this.#gate = new Promise((resolve) => {
      this.#openGate = resolve;
    });
  }

  release(): void {
    this.#openGate();
  }

  /** From here on prefill and steps reject, until it is called without an error. */
  fail(error?: Error): void {
    this.#failure = error;
  }

  openSlot(): Slot | undefined {
    const slot = this.#slots.findIndex(({ open }) => !open);
    if (slot < 0) return undefined;
    this.#slots[slot] = { open: true, tokens: [], sampled: -1, sampling: {} };
    return slot;
  }

  closeSlot(slot: Slot): void {
    this.#slot(slot).open = false;
  }

  cloneSlot(slot: Slot): Slot | undefined {
    const { tokens, ...state } = this.#slot(slot);
    const clone = this.openSlot();
    if (clone !== undefined) this.#slots[clone] = { ...state, tokens: [...tokens] };
    return clone;
  }

  position(slot: Slot): number {
    return this.#slot(slot).tokens.length;
  }

  rewind(slot: Slot, position: number): boolean {
    const { tokens } = this.#slot(slot);
    if (position > tokens.length) throw new Error(`Slot ${slot} stands at ${tokens.length}, before ${position}.`);
    const done = position === 0 || tokens.length - position <= this.#options.rewindReach;
    if (done) tokens.length = position;
    this.log.push({ call: 'rewind', slot, position, done });
    return done;
  }

  setSampler(slot: Slot, sampling: SamplingOptions, mask?: Uint32Array): void {
    const state = this.#slot(slot);
    state.sampling = sampling;
    state.mask = mask;
  }

  async prefill(
    slot: Slot,
    tokens: ArrayLike<number>,
    options: { signal?: AbortSignal; onProgress?: (done: number, total: number) => void } = {},
  ): Promise<SampledToken> {
    if (tokens.length === 0) throw new Error('A prefill of nothing.');
    this.log.push({ call: 'prefill', slot, tokens: Array.from(tokens) });
    for (let done = 0; done < tokens.length; ) {
      if (options.signal?.aborted) throw new LapisError('aborted', 'The prefill was cancelled.');
      const end = Math.min(done + this.#options.chunk, tokens.length);
      for (; done < end; done++) this.#append(slot, tokens[done]);
      await this.#readBack();
      options.onProgress?.(done, tokens.length);
    }
    return this.#sample(slot);
  }

  async steps(slots: readonly Slot[], count: number): Promise<SampledToken[][]> {
    if (slots.length < 1 || slots.length > 8 || new Set(slots).size !== slots.length) {
      throw new Error(`A step of the slots ${slots}.`);
    }
    if (count < 1 || count > MAX_STEPS_TOGETHER) throw new Error(`${count} steps together.`);
    for (let step = 0; step < count; step++) this.log.push({ call: 'step', slots: [...slots] });
    this.submits.push(count);
    await this.#compile(slots.length);
    const { stepMs } = this.#options;
    if (stepMs) await this.#work(count * stepMs);
    const sampled = Array.from({ length: count }, () =>
      slots.map((slot) => {
        this.#append(slot, this.#slot(slot).sampled);
        return this.#sample(slot);
      }),
    );
    await this.#readBack();
    return sampled;
  }

  /** Two numbers that tell which tokens they follow: how many, and the last. */
  async logits(slot: Slot): Promise<Float32Array> {
    const { tokens } = this.#slot(slot);
    return Float32Array.of(tokens.length, tokens.at(-1) ?? -1);
  }

  destroy(): void {
    this.#lose('The model was unloaded.');
  }

  loseDevice(sentence: string): void {
    this.#lose(sentence);
  }

  #compile(rows: number): Promise<void> {
    const compiled =
      this.#compiled.get(rows) ?? new Promise((resolve) => setTimeout(resolve, this.#options.compileMs ?? 0));
    this.#compiled.set(rows, compiled);
    return compiled;
  }

  /** One after the other. */
  #work(milliseconds: number): Promise<void> {
    this.#working = this.#working.then(() => new Promise((resolve) => setTimeout(resolve, milliseconds)));
    return this.#working;
  }

  async #readBack(): Promise<void> {
    const gate = this.#gate;
    await new Promise((resolve) => setTimeout(resolve));
    await gate;
    if (this.#failure) throw this.#failure;
  }

  #append(slot: Slot, token: number): void {
    const { tokens } = this.#slot(slot);
    if (token < 0) throw new Error(`Slot ${slot} is stepped before it was prefilled.`);
    if (tokens.length >= this.contextTokens) throw new Error(`Slot ${slot} runs over its context.`);
    tokens.push(token);
  }

  #sample(slot: Slot): SampledToken {
    const state = this.#slot(slot);
    state.sampled = this.#options.next(state.tokens, state.sampling, state.mask);
    const top = [{ token: state.sampled, logProbability: -0.5 }];
    return {
      slot,
      token: state.sampled,
      ...(state.sampling.logProbabilities && {
        logProbabilities: { token: state.sampled, logProbability: -0.5, top },
      }),
    };
  }

  #slot(slot: Slot): FakeSlot {
    const state = this.#slots[slot];
    if (!state?.open) throw new Error(`Slot ${slot} is not open.`);
    return state;
  }
}
