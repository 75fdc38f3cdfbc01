import { LapisError } from '../../../protocol/errors.ts';
import { COPY_DST, type GpuDevice, STORAGE, UNIFORM } from '../../device.ts';
import { type Binding, type Bindings, type Dispatch, Kernel } from '../../kernel.ts';
import rowsText from '../../rows.wgsl?raw';
import argmaxText from './argmax.wgsl?raw';
import bestText from './best.wgsl?raw';
import binsText from './bins.wgsl?raw';
import commitText from './commit.wgsl?raw';
import countText from './count.wgsl?raw';
import distancesText from './distances.wgsl?raw';
import drawText from './draw.wgsl?raw';
import finishText from './finish.wgsl?raw';
import gatherText from './gather.wgsl?raw';
import likelihoodText from './likelihood.wgsl?raw';
import { BEST_COUNT, RESULT_STEPS, RESULT_WORDS, type SamplerMode } from './options.ts';
import orderText from './order.wgsl?raw';
import penaltiesText from './penalties.wgsl?raw';
import prepareText from './prepare.wgsl?raw';
import reportText from './report.wgsl?raw';
import resultText from './result.wgsl?raw';
import sumText from './sum.wgsl?raw';

/** Tokens of a workgroup, as in order.wgsl. */
const CHUNK = 2048;
/** Invocations of a workgroup, as in order.wgsl. */
const WIDTH = 256;
/** u32 words of a row's histogram, as in bins.wgsl. */
const HISTOGRAM_WORDS = 2 * 256 + 1;

/** Which rows are sampled: those of a batch, from its `head_row` on. Structs are those of rows.wgsl. */
export interface SamplerBatch {
  /** Batch, uniform. */
  batch: GPUBuffer;
  /** Row [rows]: slot and position. */
  rows: Binding;
}

/** What the sampler reads and writes of a loaded model. */
export interface SamplerBuffers extends SamplerBatch {
  /** Slot [slots]: the sampler is read, token and position of the next row are written. */
  slots: GPUBuffer;
  /** u32 [slots][contextTokens]: the token at each position, up to and with the sampled row's. */
  history: GPUBuffer;
  /** u32 [slots][⌈vocabulary / 32⌉]: bit = 1 allows the token. */
  mask: GPUBuffer;
  /** f32 [rows][vocabulary], the first being `head_row`'s; not changed. */
  logits: GPUBuffer;
  /** u32 [rows][RESULT_STEPS][RESULT_WORDS]; see `parseResult`. */
  results: GPUBuffer;
}

export interface SamplerShape {
  /** 2 or more. */
  vocabularySize: number;
  contextTokens: number;
  /** The most rows sampled at once. */
  maxRows: number;
  buffers: SamplerBuffers;
}

/** What the sampler allocates. */
interface WorkBuffers {
  sizes: GPUBuffer;
  keys: GPUBuffer;
  scratch: GPUBuffer;
  partials: GPUBuffer;
  histogram: GPUBuffer;
  bests: GPUBuffer;
}

const KERNELS = {
  argmax: [orderText, argmaxText],
  finish: [rowsText, orderText, finishText, resultText, commitText],
  count: [rowsText, orderText, penaltiesText, countText],
  prepare: [rowsText, orderText, penaltiesText, prepareText],
  distances: [rowsText, orderText, likelihoodText, binsText, distancesText],
  gather: [rowsText, orderText, likelihoodText, binsText, gatherText],
  draw: [rowsText, orderText, likelihoodText, binsText, drawText, resultText, commitText],
  best: [rowsText, orderText, sumText, bestText],
  report: [rowsText, orderText, sumText, resultText, reportText],
} as const satisfies Record<string, string[]>;

type KernelName = keyof typeof KERNELS;

/** Kernels with one workgroup a row; the others have one a chunk of tokens (`count`: of positions) and row. */
const ROW_KERNELS: ReadonlySet<KernelName> = new Set(['finish', 'draw', 'report']);

const GREEDY = { stochastic: false, penalties: false, mask: false, logProbabilities: false };

/**
 * Chooses each row's next token on the GPU, from logits to slots[slot].token, so that the next step can begin without the CPU.
 *
 * In order: mask; repetition, presence and frequency penalties over the window of the history; then, at temperature 0, the
 * likeliest token, of equals the lowest id; else temperature, top-k, top-p, min-p (Hugging Face's order; equals of the last token
 * kept stay), and a draw by the Gumbel-max trick. Where no token is allowed the choice is 0. Log-probabilities are of the raw logits.
 *
 * Likelihoods, their sums and the chance are integers (likelihood.wgsl), and chance comes from seed, position and token id alone:
 * a row's token depends neither on the rows beside it nor on the order in which the GPU works.
 */
export class Sampler {
  readonly #device: GpuDevice;
  readonly #shape: SamplerShape;
  readonly #work: WorkBuffers;
  readonly #compiling: Partial<Record<KernelName, Promise<void>>> = {};
  readonly #dispatches: Partial<Record<KernelName, Dispatch>> = {};

  private constructor(device: GpuDevice, shape: SamplerShape, work: WorkBuffers) {
    this.#device = device;
    this.#shape = shape;
    this.#work = work;
  }

  /**
   * Allocates work buffers, 8 bytes a row and vocabulary entry, and compiles what greedy rows need; `ready` compiles the rest.
   * Throws `internal` where a kernel does not compile, `no-gpu` where a buffer is too large.
   */
  static async compile(device: GpuDevice, shape: SamplerShape): Promise<Sampler> {
    const { vocabularySize, contextTokens, maxRows } = shape;
    const chunks = Math.ceil(vocabularySize / CHUNK);
    const work = (name: string, words: number) => device.createBuffer(`sampler ${name}`, words * 4, STORAGE);
    const sizes = device.createBuffer('sampler sizes', 16, UNIFORM | COPY_DST);
    const sizeWords = [vocabularySize, chunks, contextTokens, Math.ceil(vocabularySize / 32)];
    device.device.queue.writeBuffer(sizes, 0, new Uint32Array(sizeWords));
    const sampler = new Sampler(device, shape, {
      sizes,
      keys: work('keys', maxRows * vocabularySize),
      scratch: work('scratch', maxRows * vocabularySize),
      partials: work('partials', maxRows * chunks * 2),
      histogram: work('histogram', maxRows * HISTOGRAM_WORDS),
      bests: work('bests', maxRows * chunks * (2 + 2 * BEST_COUNT)),
    });
    await sampler.ready(GREEDY);
    return sampler;
  }

  /** The same sampler for the rows of another batch. Work buffers are shared, since one runs after the other. */
  async forBatch({ batch, rows }: SamplerBatch): Promise<Sampler> {
    const shape = { ...this.#shape, buffers: { ...this.#shape.buffers, batch, rows } };
    const sampler = new Sampler(this.#device, shape, this.#work);
    await sampler.ready(GREEDY);
    return sampler;
  }

  /**
   * Compiles what `dispatches(mode)` needs, once; greedy rows without mask and penalties are always ready. On a CPU adapter
   * this can take seconds. Calls with one mode resolve in order. Throws `internal` where a kernel does not compile.
   */
  async ready(mode: Omit<SamplerMode, 'rows'>): Promise<void> {
    await Promise.all(kernelsOf(mode).map((name) => (this.#compiling[name] ??= this.#compile(name))));
  }

  /**
   * What to run after the logits are there, in a mode that is `ready`. `mode` is the union of what the rows' slots ask for: a row is
   * sampled as its slot says in any mode that covers it. 2 dispatches for greedy rows, 4 for drawn ones; penalties add 1,
   * log-probabilities 2.
   */
  dispatches(mode: SamplerMode): Dispatch[] {
    const { vocabularySize, contextTokens, maxRows } = this.#shape;
    const { rows } = mode;
    if (!(rows >= 1 && rows <= maxRows)) {
      throw new LapisError('internal', `A sampler for 1 to ${maxRows} rows was asked for ${rows}.`);
    }
    const chunks = Math.ceil(vocabularySize / CHUNK);
    return kernelsOf(mode).map((name) => {
      const dispatch = this.#dispatches[name];
      if (!dispatch) throw new LapisError('internal', `The sampler was used before its kernel ${name} was ready.`);
      if (ROW_KERNELS.has(name)) return { ...dispatch, workgroups: [rows, 1, 1] };
      return { ...dispatch, workgroups: [name === 'count' ? Math.ceil(contextTokens / WIDTH) : chunks, rows, 1] };
    });
  }

  /** Frees the work buffers, also those of samplers made by `forBatch`. */
  destroy(): void {
    for (const buffer of Object.values(this.#work)) buffer.destroy();
  }

  async #compile(name: KernelName): Promise<void> {
    const source = {
      label: `sample ${name}`,
      constants: { BEST_COUNT, RESULT_STEPS, RESULT_WORDS },
      parts: [...KERNELS[name]],
    };
    const kernel = await Kernel.compile(this.#device, source);
    this.#dispatches[name] = kernel.bind([this.#bindings(name)], [1]);
  }

  #bindings(name: KernelName): Bindings {
    const { batch, rows, slots, history, mask, logits, results } = this.#shape.buffers;
    const { sizes, keys, scratch, partials, histogram, bests } = this.#work;
    const bindings: Record<KernelName, Bindings> = {
      argmax: [sizes, logits, partials],
      finish: [sizes, batch, rows, partials, slots, results],
      count: [sizes, batch, rows, slots, history, scratch],
      prepare: [sizes, batch, rows, slots, mask, logits, scratch, keys, partials],
      distances: [sizes, batch, rows, slots, partials, keys, histogram],
      gather: [sizes, batch, rows, slots, keys, histogram, scratch, partials],
      draw: [sizes, batch, rows, keys, partials, slots, histogram, scratch, results],
      best: [sizes, batch, rows, slots, logits, bests],
      report: [sizes, batch, rows, slots, logits, bests, results],
    };
    return bindings[name];
  }
}

/** The kernels of a mode, in order. */
function kernelsOf(mode: Omit<SamplerMode, 'rows'>): KernelName[] {
  const names: KernelName[] = mode.penalties ? ['count'] : [];
  if (mode.stochastic) names.push('prepare', 'distances', 'gather', 'draw');
  else names.push(mode.penalties || mode.mask ? 'prepare' : 'argmax', 'finish');
  if (mode.logProbabilities) names.push('best', 'report');
  return names;
}
