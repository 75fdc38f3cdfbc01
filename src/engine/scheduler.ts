import type { LoadedModel, SampledToken, Slot } from '../gpu/contract.ts';
import { StepPace } from '../gpu/step-pace.ts';
import { LapisError } from '../protocol/errors.ts';
import type { Generation } from './generation.ts';
import { SlotCache, type SlotLease } from './slot-cache.ts';

/** `LoadedModel.steps` takes no more slots. */
const MAX_TOGETHER = 8;
const MAX_WAITING = 64;

/** A generation that has a slot. */
interface Running {
  generation: Generation;
  lease: SlotLease;
  /** Tokens asked of the model: the prefill's one and one a step. */
  asked: number;
  /** Calls to the model that have not come back; the slot is given back only after them. */
  inFlight: number;
  /** The state of the slot is not known after a call that failed. */
  broken: boolean;
  decoding: boolean;
}

/**
 * Continuous batching, first come, first served: generations join and leave the steps that all running ones share. Several submits
 * are in flight, so an end is seen late; the tokens that came after it are ignored and their KV is forgotten.
 */
export class Scheduler {
  readonly #model: LoadedModel;
  readonly #slots: SlotCache;
  readonly #submitsInFlight: number;
  readonly #waiting: Generation[] = [];
  readonly #running = new Set<Running>();
  #admitting = false;
  #submits = 0;
  /** Steps of those submits. */
  #steps = 0;
  readonly #pace = new StepPace();
  /** When the last submit came back. */
  #steppedAt = 0;
  #lost: LapisError | undefined;

  constructor(model: LoadedModel, submitsInFlight: number) {
    this.#model = model;
    this.#slots = new SlotCache(model);
    this.#submitsInFlight = submitsInFlight;
    void model.lost.then((sentence) => this.#lose(sentence));
  }

  add(generation: Generation): void {
    const refusal =
      this.#waiting.length >= MAX_WAITING
        ? new LapisError('busy', `${MAX_WAITING} requests are waiting already.`)
        : this.#lost;
    if (refusal) {
      generation.fail(refusal);
      return;
    }
    this.#waiting.push(generation);
    generation.onDone = () => {
      const at = this.#waiting.indexOf(generation);
      if (at >= 0) this.#waiting.splice(at, 1);
      for (const running of this.#running) if (running.generation === generation) this.#leave(running);
    };
    void this.#admit();
  }

  /** See TextEngine. The slot is one that nobody uses, at worst the one that was not used for the longest time. */
  async withSlot<T>(use: (slot: Slot) => Promise<T>): Promise<T> {
    if (this.#lost) throw this.#lost;
    if (this.#running.size + this.#waiting.length > 0) {
      throw new LapisError('busy', 'An answer is being generated.');
    }
    const lease = this.#slots.acquire([]);
    if (!lease) throw new LapisError('busy', 'All places of the model are taken.');
    try {
      return await use(lease.slot);
    } finally {
      if (!this.#lost) {
        this.#slots.discard(lease);
        void this.#admit();
      }
    }
  }

  /** Prefills one prompt after the other, beside the steps of those that run already. */
  async #admit(): Promise<void> {
    if (this.#admitting) return;
    this.#admitting = true;
    try {
      while (this.#waiting.length > 0 && this.#running.size < MAX_TOGETHER && !this.#lost) {
        const generation = this.#waiting[0];
        let lease: SlotLease | undefined;
        try {
          lease = this.#slots.acquire(generation.request.prompt);
          if (lease === undefined && this.#running.size > 0) return;
          if (lease === undefined) throw new LapisError('busy', 'All places of the model are taken.');
        } catch (error) {
          generation.fail(LapisError.from(error));
          continue;
        }
        this.#waiting.shift();
        const running: Running = { generation, lease, asked: 1, inFlight: 1, broken: false, decoding: false };
        this.#running.add(running);
        await this.#prefill(running);
      }
    } finally {
      this.#admitting = false;
    }
  }

  async #prefill(running: Running): Promise<void> {
    const { generation, lease } = running;
    const { prompt, sampling } = generation.request;
    const start = performance.now();
    try {
      this.#model.setSampler(lease.slot, sampling, generation.mask?.([]));
      const sampled = await this.#model.prefill(lease.slot, prompt.slice(lease.reused), {
        signal: generation.ended,
        onProgress: (done) => generation.prefillProgress(lease.reused + done),
      });
      generation.prefilled(performance.now() - start);
      running.decoding = true;
      generation.accept(sampled);
    } catch (error) {
      // Ended while it was prefilling: the slot stands after a whole chunk. Anything else leaves it in an unknown state.
      running.broken = !generation.done;
      generation.fail(LapisError.from(error));
    }
    running.inFlight--;
    this.#leave(running);
    this.#submitSteps();
  }

  #submitSteps(): void {
    while (this.#submits < this.#submitsInFlight) {
      const batch = this.#nextBatch();
      if (batch.length === 0) return;
      void this.#step(batch, this.#count(batch));
    }
  }

  /** How many steps a batch should take in one submit. One with a mask goes step by step, and waits for what others have in flight. */
  #count(batch: Running[]): number {
    if ([...this.#running].some(({ generation }) => generation.mask)) return 1;
    const wanted = batch.map(({ asked, generation }) => generation.request.maxTokens - asked);
    return Math.min(this.#pace.together(this.#steps), ...wanted);
  }

  #nextBatch(): Running[] {
    if (this.#lost) return [];
    const ready = [...this.#running].filter((running) => {
      const { generation, asked, inFlight, decoding } = running;
      if (!decoding || generation.done || asked >= generation.request.maxTokens) return false;
      return inFlight < (generation.mask ? 1 : this.#submitsInFlight) && this.#setMask(running);
    });
    // A mask may have ended one that was ready before it.
    return ready.filter(({ generation }) => !generation.done);
  }

  /** False when the caller's mask failed, which ends that generation only, or ended it: its slot may be another's by then. */
  #setMask({ generation, lease }: Running): boolean {
    if (generation.mask === undefined) return true;
    try {
      const mask = generation.mask(generation.tokens);
      if (generation.done) return false;
      this.#model.setSampler(lease.slot, generation.request.sampling, mask);
      return true;
    } catch (error) {
      generation.fail(LapisError.from(error));
      return false;
    }
  }

  /**
   * Steps of one submit, read as soon as they come back: the order in which the GPU worked, whereas a step that first had to compile may
   * have been overtaken by a later call.
   */
  async #step(batch: Running[], count: number): Promise<void> {
    this.#submits++;
    this.#steps += count;
    for (const running of batch) {
      running.asked += count;
      running.inFlight++;
    }
    const askedAt = performance.now();
    let result: SampledToken[][] | LapisError;
    try {
      result = await this.#model.steps(
        batch.map(({ lease }) => lease.slot),
        count,
      );
    } catch (error) {
      result = LapisError.from(error);
    }
    const now = performance.now();
    this.#pace.took(count, now - Math.max(askedAt, this.#steppedAt));
    this.#steppedAt = now;
    this.#submits--;
    this.#steps -= count;
    batch.forEach((running, i) => {
      running.inFlight--;
      if (result instanceof LapisError) {
        running.broken = true;
        running.generation.fail(result);
      } else {
        for (const sampled of result) running.generation.accept(sampled[i]!);
      }
      this.#leave(running);
    });
    this.#submitSteps();
  }

  /** Gives the slot of a generation that has ended back, once nothing of it is in flight, and lets the next in. */
  #leave(running: Running): void {
    const { generation, lease, inFlight, broken, decoding, asked } = running;
    if (!generation.done || inFlight > 0 || this.#lost || !this.#running.delete(running)) return;
    const { prompt } = generation.request;
    if (broken) {
      this.#slots.discard(lease);
    } else if (decoding) {
      // A sampled token's KV stands in the slot once a step was fed with it.
      const known = generation.tokens.slice(0, asked - 1);
      this.#slots.release(lease, [...prompt, ...known]);
    } else {
      this.#slots.release(lease, prompt.slice(0, this.#model.position(lease.slot)));
    }
    void this.#admit();
  }

  #lose(sentence: string): void {
    this.#lost = new LapisError('device-lost', sentence);
    const generations = [...this.#waiting, ...[...this.#running].map(({ generation }) => generation)];
    this.#running.clear();
    for (const generation of generations) generation.fail(this.#lost);
  }
}
