import { LapisError } from '../protocol/errors.ts';
import type { SampledToken } from './contract.ts';
import { COPY_DST, type GpuDevice, MAP_MODE_READ, MAP_READ } from './device.ts';
import { type Dispatch, encode } from './kernel.ts';
import { parseResult, RESULT_STEPS, RESULT_WORDS } from './kernels/sample/options.ts';
import { type BatchShape, dispatchesOf, type PlanStep } from './plan-step.ts';
import type { Profiler } from './profiler.ts';
import { MAX_GENERATED_ROWS } from './rows.ts';

/** What samples the rows of a plan. */
export interface Sampling {
  dispatches: Dispatch[];
  /** Where each row that it samples stands in its sequence, in the first step. */
  positions: readonly number[];
}

/** Submits plans, and reads back what they sample. */
export class PlanRunner {
  /** While set, every dispatch is timed in a pass of its own (bench). */
  profiler: Profiler | undefined;
  /** Dispatches submitted so far (bench). */
  dispatches = 0;
  readonly #device: GpuDevice;
  /** u32 [8][RESULT_STEPS][RESULT_WORDS], which the sampler writes. */
  readonly #results: GPUBuffer;
  readonly #freeReadBacks: GPUBuffer[] = [];
  /** What was encoded last: mostly what is encoded next, since a token goes on in the block of the one before. */
  #last: (BatchShape & { plan: readonly PlanStep[]; dispatches: Dispatch[] }) | undefined;

  constructor(device: GpuDevice, results: GPUBuffer) {
    this.#device = device;
    this.#results = results;
  }

  /** Submits a plan that samples nothing. */
  submit(plan: readonly PlanStep[], shape: BatchShape): void {
    const encoder = this.#device.device.createCommandEncoder();
    this.#encode(encoder, plan, [shape], []);
    this.#device.device.queue.submit([encoder.finish()]);
  }

  /**
   * Submits a plan and its sampler for one shape after the other, 1 to RESULT_STEPS, in one submit. Gives the tokens of each when they
   * have been read back. Rejects with `device-lost`.
   */
  async sample(
    plan: readonly PlanStep[],
    shapes: readonly BatchShape[],
    sampling: Sampling,
  ): Promise<SampledToken[][]> {
    const { device } = this.#device;
    const encoder = device.createCommandEncoder();
    const readBack = this.#readBack();
    const words = sampling.positions.length * RESULT_STEPS * RESULT_WORDS;
    this.#encode(encoder, plan, shapes, sampling.dispatches);
    encoder.copyBufferToBuffer(this.#results, 0, readBack, 0, words * 4);
    device.queue.submit([encoder.finish()]);
    try {
      await readBack.mapAsync(MAP_MODE_READ);
    } catch (cause) {
      throw new LapisError('device-lost', 'The GPU device was lost while a token was being read back.', { cause });
    }
    const results = new Uint32Array(readBack.getMappedRange()).slice(0, words);
    readBack.unmap();
    this.#freeReadBacks.push(readBack);
    return shapes.map((_, step) =>
      sampling.positions.map((position, row) => parseResult(results, row, position + step)),
    );
  }

  /** All in one pass: another, and a copy between the two, would take the GPU a hundredth of a token's time, and the CPU more. */
  #encode(
    encoder: GPUCommandEncoder,
    plan: readonly PlanStep[],
    shapes: readonly BatchShape[],
    sampling: Dispatch[],
  ): void {
    this.dispatches += shapes.length * (plan.length + sampling.length);
    if (this.profiler) {
      for (const shape of shapes) this.profiler.encode(encoder, [...this.#dispatchesOf(plan, shape), ...sampling]);
      return;
    }
    const pass = encoder.beginComputePass();
    for (const shape of shapes) {
      encode(pass, this.#dispatchesOf(plan, shape));
      encode(pass, sampling);
    }
    pass.end();
  }

  #dispatchesOf(plan: readonly PlanStep[], { rows, blocks }: BatchShape): Dispatch[] {
    if (plan !== this.#last?.plan || rows !== this.#last.rows || blocks !== this.#last.blocks) {
      this.#last = { plan, rows, blocks, dispatches: dispatchesOf(plan, { rows, blocks }) };
    }
    return this.#last.dispatches;
  }

  #readBack(): GPUBuffer {
    const bytes = MAX_GENERATED_ROWS * RESULT_STEPS * RESULT_WORDS * 4;
    return this.#freeReadBacks.pop() ?? this.#device.createBuffer('read back', bytes, MAP_READ | COPY_DST);
  }
}
