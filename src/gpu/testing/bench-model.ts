import type { Gemma3Config } from '../../model/config.ts';
import type { ModelSource } from '../../model/source.ts';
import { allocateModel } from '../allocate-model.ts';
import type { BatchBuffers, ModelBuffers } from '../buffers.ts';
import type { GpuDevice } from '../device.ts';
import { generatedPlan, promptPlan } from '../gemma3-plan.ts';
import { Gemma3WeightMap } from '../gemma3-weights.ts';
import type { Dispatch } from '../kernel.ts';
import { blockCount } from '../kv-cache.ts';
import { canGate } from '../linear.ts';
import type { PlanContext } from '../plan-context.ts';
import { dispatchesOf, type PlanStep } from '../plan-step.ts';
import { MAX_GENERATED_ROWS, SLOT_WORDS } from '../rows.ts';

export interface BenchModelOptions {
  /** Positions of a slot; there is one slot for each generated row. */
  contextTokens: number;
  /** Rows of a prompt chunk. */
  chunk: number;
}

/**
 * A model's plans taken apart: benches time the very dispatches that a token or a chunk takes, with the bindings, weights and sizes
 * of the real thing. All layers' dispatches of a kind make one round, so that weights come from memory and not from a cache.
 */
export class BenchModel {
  readonly device: GpuDevice;
  readonly source: ModelSource;
  readonly buffers: ModelBuffers;
  readonly contextTokens: number;
  readonly chunk: number;
  readonly #context: PlanContext;
  readonly #plans = new Map<string, Promise<PlanStep[]>>();

  private constructor(context: PlanContext, source: ModelSource, chunk: number) {
    this.device = context.device;
    this.source = source;
    this.buffers = context.buffers;
    this.contextTokens = context.contextTokens;
    this.chunk = chunk;
    this.#context = context;
  }

  static async load(device: GpuDevice, source: ModelSource, options: BenchModelOptions): Promise<BenchModel> {
    const { contextTokens, chunk } = options;
    const { config } = source;
    const slotCount = MAX_GENERATED_ROWS;
    const map = new Gemma3WeightMap(device, source);
    const needsGateUp = map.weights.layers.some((layer) => layer.gateUp.length > 1 || !canGate(layer.gateUp[0]!));
    const { cache, buffers } = allocateModel(device, config, { slotCount, contextTokens, chunk, needsGateUp });
    await map.upload(source, {});
    const { maxStorageBuffersPerShaderStage: storageBuffers } = device.device.limits;
    const context = { device, config, weights: map.weights, cache, buffers, contextTokens, storageBuffers };
    return new BenchModel(context, source, chunk);
  }

  get config(): Gemma3Config {
    return this.#context.config;
  }

  /** Dispatches of a prompt chunk whose labels match, the last of its rows at `position`. */
  async prompt(label: RegExp, rows: number, position: number): Promise<Dispatch[]> {
    const { prompt } = this.buffers;
    const first = position - rows + 1;
    this.#place(prompt, Uint32Array.of(rows, rows - 1, 0, 0), (row) => [0, first + row, this.#token(row), 0], rows);
    this.#context.cache.prepareWrite(0, first, position + 1);
    const steps = await this.#plan('prompt', () => promptPlan(this.#context));
    return dispatchesOf(labelled(steps, label), { rows, blocks: blockCount(position + 1) });
  }

  /** Dispatches of one generated token in each of `rows` slots whose labels match, all at `position`. */
  async generated(label: RegExp, rows: number, position: number): Promise<Dispatch[]> {
    const { generated, slots } = this.buffers;
    const { queue } = this.device.device;
    this.#place(generated, Uint32Array.of(rows, 0, 1, 0), (row) => [row, position, this.#token(row), 0], rows);
    for (let slot = 0; slot < rows; slot++) {
      queue.writeBuffer(slots, slot * SLOT_WORDS * 4, Uint32Array.of(this.#token(slot), position));
      this.#context.cache.prepareWrite(slot, 0, position + 1);
    }
    const steps = await this.#plan(`generated ${rows}`, () => generatedPlan(this.#context, rows));
    return dispatchesOf(labelled(steps, label), { rows, blocks: blockCount(position + 1) });
  }

  /** Bytes and elements of the tensors that these dispatches read, by their labels. */
  weightsOf(dispatches: readonly Dispatch[]): { bytes: number; elements: number } {
    const tensors = this.source.tensors.filter(({ name }) =>
      dispatches.some(({ label }) => label.split(/\s/).includes(name)),
    );
    return {
      bytes: tensors.reduce((sum, tensor) => sum + tensor.bytes, 0),
      elements: tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    };
  }

  #place(batch: BatchBuffers, head: Uint32Array<ArrayBuffer>, row: (index: number) => number[], rows: number): void {
    const { queue } = this.device.device;
    queue.writeBuffer(batch.batch, 0, head);
    const { buffer, offset = 0 } = batch.rows;
    queue.writeBuffer(buffer, offset, Uint32Array.from(Array.from({ length: rows }, (_, index) => row(index)).flat()));
  }

  #token(index: number): number {
    return ((index + 1) * 7919) % this.config.vocabularySize;
  }

  #plan(name: string, make: () => Promise<PlanStep[]>): Promise<PlanStep[]> {
    let plan = this.#plans.get(name);
    if (!plan) {
      plan = make();
      this.#plans.set(name, plan);
    }
    return plan;
  }
}

function labelled(steps: PlanStep[], label: RegExp): PlanStep[] {
  return steps.filter(({ dispatch }) => label.test(dispatch.label));
}
