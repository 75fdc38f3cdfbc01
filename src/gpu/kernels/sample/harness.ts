import { COPY_DST, COPY_SRC, type GpuDevice, STORAGE, UNIFORM } from '../../device.ts';
import { encode } from '../../kernel.ts';
import {
  packSlotSampler,
  parseResult,
  RESULT_STEPS,
  RESULT_WORDS,
  SLOT_SAMPLER_OFFSET,
  samplerMode,
} from './options.ts';
import type { ReferenceRow } from './reference.ts';
import { Sampler } from './sample.ts';

const SLOT_BYTES = 64;

/** The sampler alone, without a model: for tests and benches. Row i of a batch is slot `rows − 1 − i`, so that the two differ. */
export class SamplerHarness {
  readonly sampler: Sampler;
  readonly #device: GpuDevice;
  readonly #shape: HarnessShape;
  readonly #buffers: ReturnType<typeof makeBuffers>;

  private constructor(
    device: GpuDevice,
    shape: HarnessShape,
    buffers: ReturnType<typeof makeBuffers>,
    sampler: Sampler,
  ) {
    this.#device = device;
    this.#shape = shape;
    this.#buffers = buffers;
    this.sampler = sampler;
  }

  static async make(device: GpuDevice, shape: HarnessShape): Promise<SamplerHarness> {
    const buffers = makeBuffers(device, shape);
    const sampler = await Sampler.compile(device, { ...shape, buffers });
    return new SamplerHarness(device, shape, buffers, sampler);
  }

  /** Puts rows and their slots in place. `headRow` rows of nothing stand before them. */
  write(rows: ReferenceRow[], headRow = 0): void {
    const { queue } = this.#device.device;
    const { batch, rows: rowBuffer, slots, history, mask, logits } = this.#buffers;
    const { vocabularySize, contextTokens } = this.#shape;
    queue.writeBuffer(batch, 0, new Uint32Array([headRow + rows.length, headRow, 0, 0]));
    rows.forEach((row, i) => {
      const slot = rows.length - 1 - i;
      queue.writeBuffer(rowBuffer, (headRow + i) * 16, new Uint32Array([slot, row.position, 0, 0]));
      const words = packSlotSampler(row.sampling, { useMask: row.mask !== undefined, historyStart: row.historyStart });
      queue.writeBuffer(slots, slot * SLOT_BYTES + SLOT_SAMPLER_OFFSET, words);
      if (row.history) queue.writeBuffer(history, slot * contextTokens * 4, Uint32Array.from(row.history));
      if (row.mask) queue.writeBuffer(mask, slot * row.mask.byteLength, Uint32Array.from(row.mask));
      queue.writeBuffer(logits, i * vocabularySize * 4, Float32Array.from(row.logits));
    });
  }

  /** Samples the rows that were written, and reads results, slots and logits back. */
  async sample(rows: ReferenceRow[]) {
    const mode = samplerMode(rows.map(({ sampling, mask }) => ({ sampling, useMask: mask !== undefined })));
    await this.sampler.ready(mode);
    const encoder = this.#device.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode(pass, this.sampler.dispatches(mode));
    pass.end();
    this.#device.device.queue.submit([encoder.finish()]);
    const { results, slots, logits } = this.#buffers;
    const words = new Uint32Array(await this.#device.read(results, rows.length * RESULT_STEPS * RESULT_WORDS * 4));
    return {
      sampled: rows.map(({ position }, i) => parseResult(words, i, position)),
      slots: new Uint32Array(await this.#device.read(slots, rows.length * SLOT_BYTES)),
      logits: new Float32Array(await this.#device.read(logits, rows.length * this.#shape.vocabularySize * 4)),
    };
  }

  destroy(): void {
    this.sampler.destroy();
    for (const buffer of Object.values(this.#buffers)) buffer.destroy();
  }
}

export interface HarnessShape {
  vocabularySize: number;
  contextTokens: number;
  maxRows: number;
}

function makeBuffers(device: GpuDevice, { vocabularySize, contextTokens, maxRows }: HarnessShape) {
  const storage = (label: string, words: number) =>
    device.createBuffer(label, words * 4, STORAGE | COPY_SRC | COPY_DST);
  return {
    batch: device.createBuffer('batch', 16, UNIFORM | COPY_DST),
    rows: storage('rows', (maxRows + 8) * 4),
    slots: storage('slots', maxRows * 16),
    history: storage('history', maxRows * contextTokens),
    mask: storage('mask', maxRows * Math.ceil(vocabularySize / 32)),
    logits: storage('logits', maxRows * vocabularySize),
    results: storage('results', maxRows * RESULT_STEPS * RESULT_WORDS),
  };
}
