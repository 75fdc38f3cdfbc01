import type { Gemma3Config } from '../model/config.ts';
import type { ModelSource, WeightProgress } from '../model/source.ts';
import { LapisError } from '../protocol/errors.ts';
import type { SamplingOptions } from '../protocol/generation.ts';
import { allocateModel } from './allocate-model.ts';
import { type ModelBuffers, maskWords } from './buffers.ts';
import { CompiledPlans } from './compiled-plans.ts';
import type { LoadedModel, SampledToken, Slot } from './contract.ts';
import { COPY_DST, COPY_SRC, type GpuDevice } from './device.ts';
import { Gemma3WeightMap } from './gemma3-weights.ts';
import type { Dispatch } from './kernel.ts';
import { packSlotSampler, SLOT_SAMPLER_OFFSET, samplerMode } from './kernels/sample/options.ts';
import { chooseKernels } from './known-answer.ts';
import { blockCount, type KvCache } from './kv-cache.ts';
import { canGate } from './linear.ts';
import type { PlanContext } from './plan-context.ts';
import { PlanRunner } from './plan-runner.ts';
import { PromptPace } from './prompt-pace.ts';
import { MAX_GENERATED_ROWS, SLOT_WORDS } from './rows.ts';
import { MAX_STEPS_TOGETHER } from './step-pace.ts';

export interface LoadOptions {
  /** Positions a slot can hold; default the model's own, at most 4096. */
  contextTokens?: number;
  /** Sequences that can be held at once; default 4. */
  slotCount?: number;
  /** Prompt rows a chunk, at most; default by device. */
  chunk?: number;
  /**
   * Compile while weights load what a drawn answer takes, and in the background after it what several answers at once and the rarer settings do.
   * Default true but on CPU adapters, where it would take the cores that the answer needs from it, for seconds.
   */
  compileAhead?: boolean;
  signal?: AbortSignal;
  onProgress?: (progress: WeightProgress) => void;
}

export const DEFAULT_CONTEXT = 4096;
export const DEFAULT_SLOTS = 4;

interface SlotState {
  open: boolean;
  position: number;
  sampling: SamplingOptions;
  useMask: boolean;
}

/** Gemma 3 on a device: weights, caches and the recorded plans. */
export class Gemma3 implements LoadedModel {
  readonly contextTokens: number;
  readonly slotCount: number;
  readonly config: Gemma3Config;
  /** Why slower kernels are used than the device's features promise, in a sentence for a person. */
  kernelNotice: string | undefined;
  readonly runner: PlanRunner;
  readonly #device: GpuDevice;
  readonly #map: Gemma3WeightMap;
  readonly #buffers: ModelBuffers;
  readonly #cache: KvCache;
  /** The most rows of a prompt's chunk. */
  readonly #mostRows: number;
  readonly #pace: PromptPace;
  readonly #slots: SlotState[];
  readonly #plans: CompiledPlans;
  /** Slots of the batch whose logits stand in the logits buffer, by row. */
  #logitsOf: Slot[] = [];
  /** Settled when the last step asked for has been submitted. */
  #lastStep: Promise<unknown> = Promise.resolve();
  /** Calls for steps that have yet to be submitted. */
  #unsubmitted = 0;
  /** Slots whose ids stand in the generated rows. */
  #generatedRows: Slot[] = [];

  private constructor(
    context: PlanContext,
    map: Gemma3WeightMap,
    chunk: number,
    slotCount: number,
    plans: CompiledPlans,
  ) {
    this.#device = context.device;
    this.#map = map;
    this.#buffers = context.buffers;
    this.#cache = context.cache;
    this.runner = new PlanRunner(context.device, context.buffers.results);
    this.config = context.config;
    this.contextTokens = context.contextTokens;
    this.slotCount = slotCount;
    this.#slots = Array.from({ length: slotCount }, () => ({ open: false, position: 0, sampling: {}, useMask: false }));
    this.#plans = plans;
    this.#mostRows = chunk;
    this.#pace = new PromptPace(chunk, plans.prompt.length, context.config);
  }

  /**
   * Loads a model: weights stream in while pipelines compile. The model owns the device from then on, and destroys it if loading
   * fails. Throws what `source.weights()` throws, `corrupt` or `unsupported` for tensors that do not fit, and `aborted`.
   */
  static async load(device: GpuDevice, source: ModelSource, options: LoadOptions = {}): Promise<Gemma3> {
    try {
      return await Gemma3.#load(device, source, options);
    } catch (error) {
      device.destroy();
      throw LapisError.from(error);
    }
  }

  static async #load(device: GpuDevice, source: ModelSource, options: LoadOptions): Promise<Gemma3> {
    const kernelNotice = await chooseKernels(device, options.signal);
    const { config } = source;
    const slotCount = options.slotCount ?? DEFAULT_SLOTS;
    const contextTokens = Math.min(config.contextLength, options.contextTokens ?? DEFAULT_CONTEXT);
    const chunk = Math.min(contextTokens, options.chunk ?? (device.software ? 64 : 256));
    const failure = new AbortController();
    const signal = AbortSignal.any([failure.signal, ...(options.signal ? [options.signal] : [])]);
    device.device.pushErrorScope('out-of-memory');
    const map = new Gemma3WeightMap(device, source);
    const needsGateUp = map.weights.layers.some((layer) => layer.gateUp.length > 1 || !canGate(layer.gateUp[0]!));
    const { cache, buffers } = allocateModel(device, config, { slotCount, contextTokens, chunk, needsGateUp });
    const allocated = device.device.popErrorScope().then((error) => {
      if (!error) return;
      const megabytes = Math.ceil(device.bytes / 1e6);
      throw new LapisError('no-gpu', `The GPU has too little free memory: this model needs ${megabytes} MB of it.`);
    });
    // Before the plans: its few kernels are compiled first, so that the weights do not wait for those of the plans.
    const upload = map.upload(source, { signal, onProgress: options.onProgress });
    const { maxStorageBuffersPerShaderStage: storageBuffers } = device.device.limits;
    const context: PlanContext = {
      device,
      config,
      weights: map.weights,
      cache,
      buffers,
      contextTokens,
      storageBuffers,
    };
    const ahead = options.compileAhead ?? !device.software;
    const compiling = CompiledPlans.compile(context, { drawn: ahead });
    const cancelled = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () =>
        reject(new LapisError('aborted', 'Loading was cancelled.', { cause: signal.reason })),
      );
    });
    try {
      const [plans] = await Promise.race([Promise.all([compiling, upload, allocated]), cancelled]);
      const model = new Gemma3(context, map, chunk, slotCount, plans);
      model.kernelNotice = kernelNotice;
      // Whoever needs what does not compile hears why.
      if (ahead) plans.compileAhead(slotCount).catch(() => undefined);
      return model;
    } catch (error) {
      // What reads the source must have stopped before its buffers go; what compiles, which may take seconds, need not.
      failure.abort(error);
      compiling.catch(() => undefined);
      await Promise.allSettled([upload, allocated]);
      throw error;
    }
  }

  get gpuBytes(): number {
    return this.#device.bytes;
  }

  get lost(): Promise<string> {
    return this.#device.lost;
  }

  openSlot(): Slot | undefined {
    const slot = this.#slots.findIndex((state) => !state.open);
    if (slot < 0) return undefined;
    this.#slots[slot] = { open: true, position: 0, sampling: {}, useMask: false };
    this.#cache.truncate(slot, 0);
    this.setSampler(slot, {});
    return slot;
  }

  closeSlot(slot: Slot): void {
    this.#state(slot).open = false;
    this.#cache.truncate(slot, 0);
  }

  cloneSlot(slot: Slot): Slot | undefined {
    if (this.#unsubmitted > 0) {
      throw new LapisError('internal', 'A slot was to be cloned while a step waited for its compilation.');
    }
    const clone = this.openSlot();
    if (clone === undefined) return undefined;
    this.#slots[clone] = { ...this.#state(slot) };
    this.#cache.clone(slot, clone);
    const { slots, history, mask } = this.#buffers;
    for (const [buffer, words] of [
      [slots, SLOT_WORDS],
      [history, this.contextTokens],
      [mask, maskWords(this.config.vocabularySize)],
    ] as const) {
      this.#copyWithin(buffer, slot * words, clone * words, words);
    }
    return clone;
  }

  position(slot: Slot): number {
    return this.#state(slot).position;
  }

  rewind(slot: Slot, position: number): boolean {
    const state = this.#state(slot);
    if (position > state.position)
      throw new LapisError('internal', `Slot ${slot} stands at ${state.position}, before ${position}.`);
    if (!this.#cache.canRewind(slot, position)) return false;
    this.#cache.truncate(slot, position);
    state.position = position;
    return true;
  }

  setSampler(slot: Slot, sampling: SamplingOptions, mask?: Uint32Array): void {
    const state = this.#state(slot);
    const useMask = mask !== undefined;
    const words = packSlotSampler(sampling, { useMask });
    const { queue } = this.#device.device;
    if (mask) {
      const expected = maskWords(this.config.vocabularySize);
      if (mask.length !== expected) {
        throw new LapisError(
          'bad-request',
          `A mask has ${expected} words, one bit a vocabulary id, not ${mask.length}.`,
        );
      }
      queue.writeBuffer(this.#buffers.mask, slot * expected * 4, mask);
    }
    queue.writeBuffer(this.#buffers.slots, slot * SLOT_WORDS * 4 + SLOT_SAMPLER_OFFSET, words);
    state.sampling = sampling;
    state.useMask = useMask;
  }

  async prefill(
    slot: Slot,
    tokens: ArrayLike<number>,
    options: { chunk?: number; signal?: AbortSignal; onProgress?: (done: number, total: number) => void } = {},
  ): Promise<SampledToken> {
    const state = this.#state(slot);
    const total = tokens.length;
    if (total === 0) throw new LapisError('bad-request', 'A prompt has at least one token.');
    if (state.position + total > this.contextTokens) {
      throw new LapisError(
        'context-overflow',
        `The prompt ends at token ${state.position + total}; the context holds ${this.contextTokens}.`,
      );
    }
    for (let i = 0; i < total; i++) this.#checkToken(tokens[i]!);
    const sampling = await this.#sampling('prompt', [slot]);
    let before: Promise<unknown> = Promise.resolve();
    let endedAt = 0;
    let result: Promise<SampledToken[][]> | undefined;
    for (let done = 0; done < total; ) {
      if (options.signal?.aborted) {
        throw new LapisError('aborted', 'The prompt was cancelled.', { cause: options.signal.reason });
      }
      const { position } = state;
      const cut = this.#pace.next(position);
      const count = Math.min(options.chunk ? Math.min(options.chunk, this.#mostRows) : cut.rows, total - done);
      const last = done + count === total;
      const beganAt = performance.now();
      const chunk = Array.prototype.slice.call(tokens, done, done + count);
      result = this.#submitPrompt(slot, chunk, last ? sampling : undefined, cut.steps);
      // It is awaited below; a device that is lost before may not leave a rejection that nobody handles.
      result?.catch(() => undefined);
      done += count;
      // One chunk ahead of the GPU keeps it busy and a cancellation prompt.
      await before;
      before = this.#device.device.queue.onSubmittedWorkDone().then(() => {
        const now = performance.now();
        this.#pace.took(cut, count, position, now - Math.max(beganAt, endedAt));
        endedAt = now;
      });
      before.catch(() => undefined);
      options.onProgress?.(done, total);
    }
    return (await result!)[0]![0]!;
  }

  /** One step, in a submit of its own. */
  async step(slots: readonly Slot[]): Promise<SampledToken[]> {
    return (await this.steps(slots, 1))[0]!;
  }

  async steps(slots: readonly Slot[], count: number): Promise<SampledToken[][]> {
    if (slots.length === 0 || slots.length > MAX_GENERATED_ROWS) {
      throw new LapisError('internal', `A step takes 1 to ${MAX_GENERATED_ROWS} slots, not ${slots.length}.`);
    }
    if (count < 1 || count > MAX_STEPS_TOGETHER) {
      throw new LapisError('internal', `A submit takes 1 to ${MAX_STEPS_TOGETHER} steps, not ${count}.`);
    }
    const states = slots.map((slot) => this.#state(slot));
    if (states.some((state) => state.position + count > this.contextTokens)) {
      throw new LapisError('context-overflow', `The context of ${this.contextTokens} tokens is full.`);
    }
    // Positions count from the call on; what must be compiled first may not let a later step overtake.
    const positions = states.map((state) => state.position);
    for (const state of states) state.position += count;
    this.#unsubmitted++;
    const submission = this.#lastStep
      .then(() => this.#submitSteps(slots, positions, count))
      .finally(() => this.#unsubmitted--);
    this.#lastStep = submission.catch(() => undefined);
    return (await submission).results;
  }

  async #submitSteps(
    slots: readonly Slot[],
    positions: number[],
    count: number,
  ): Promise<{ results: Promise<SampledToken[][]> }> {
    const sampling = await this.#sampling('generated', slots);
    const plan = await this.#plans.generated(slots.length);
    for (const [row, slot] of slots.entries()) this.#cache.prepareWrite(slot, positions[row], positions[row] + count);
    const { generated } = this.#buffers;
    if (slots.length !== this.#generatedRows.length || slots.some((slot, i) => slot !== this.#generatedRows[i])) {
      const { queue } = this.#device.device;
      const { buffer, offset = 0 } = generated.rows;
      queue.writeBuffer(buffer, offset, new Uint32Array(slots.flatMap((slot) => [slot, 0, 0, 0])));
      queue.writeBuffer(generated.batch, 0, new Uint32Array([slots.length, 0, 1, 0]));
      this.#generatedRows = [...slots];
    }
    const end = Math.max(...positions) + 1;
    const shapes = Array.from({ length: count }, (_, step) => ({ rows: slots.length, blocks: blockCount(end + step) }));
    this.#logitsOf = [...slots];
    return { results: this.runner.sample(plan, shapes, { dispatches: sampling, positions }) };
  }

  async logits(slot: Slot): Promise<Float32Array> {
    const row = this.#logitsOf.indexOf(slot);
    if (row < 0) throw new LapisError('internal', `The logits of slot ${slot} have been overwritten.`);
    const bytes = this.config.vocabularySize * 4;
    return new Float32Array(await this.#device.read(this.#buffers.logits, bytes, row * bytes));
  }

  destroy(): void {
    this.#map.destroy();
    this.#cache.destroy();
    this.#device.destroy();
  }

  /** Submits a chunk; with `sampling`, the sampler behind it, whose token it gives. */
  #submitPrompt(
    slot: Slot,
    tokens: number[],
    sampling: Dispatch[] | undefined,
    stepsASubmit: number,
  ): Promise<SampledToken[][]> | undefined {
    const state = this.#state(slot);
    const first = state.position;
    this.#cache.prepareWrite(slot, first, first + tokens.length);
    state.position += tokens.length;
    const { prompt } = this.#buffers;
    const { queue } = this.#device.device;
    const { buffer, offset = 0 } = prompt.rows;
    queue.writeBuffer(buffer, offset, new Uint32Array(tokens.flatMap((token, i) => [slot, first + i, token, 0])));
    queue.writeBuffer(prompt.batch, 0, new Uint32Array([tokens.length, tokens.length - 1, 0, 0]));
    const shape = { rows: tokens.length, blocks: blockCount(state.position) };
    const { prompt: steps, promptHead } = this.#plans;
    let plan = sampling ? [...steps, ...promptHead] : steps;
    // The GPU begins while the rest is being encoded, which takes milliseconds.
    for (; plan.length > stepsASubmit && !this.runner.profiler; plan = plan.slice(stepsASubmit)) {
      this.runner.submit(plan.slice(0, stepsASubmit), shape);
    }
    if (!sampling) {
      this.runner.submit(plan, shape);
      return undefined;
    }
    this.#logitsOf = [slot];
    return this.runner.sample(plan, [shape], { dispatches: sampling, positions: [state.position - 1] });
  }

  /** What samples these slots, compiled: awaited before anything is written, so that what is written and submitted stays together. */
  #sampling(batch: 'prompt' | 'generated', slots: readonly Slot[]): Promise<Dispatch[]> {
    return this.#plans.sampling(batch, samplerMode(slots.map((slot) => this.#state(slot))));
  }

  #copyWithin(buffer: GPUBuffer, fromWord: number, toWord: number, words: number): void {
    const { device } = this.#device;
    const between = this.#device.createBuffer('copy', words * 4, COPY_DST | COPY_SRC);
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, fromWord * 4, between, 0, words * 4);
    encoder.copyBufferToBuffer(between, 0, buffer, toWord * 4, words * 4);
    device.queue.submit([encoder.finish()]);
    between.destroy();
  }

  #state(slot: Slot): SlotState {
    const state = this.#slots[slot];
    if (!state?.open) throw new LapisError('internal', `Slot ${slot} is not open.`);
    return state;
  }

  #checkToken(token: number): void {
    if (!Number.isInteger(token) || token < 0 || token >= this.config.vocabularySize) {
      throw new LapisError('bad-request', `Token ${token} is outside the vocabulary of ${this.config.vocabularySize}.`);
    }
  }
}
