import { BufferRanges, bytesOfRanges } from './buffer-ranges.ts';
import { COPY_DST, COPY_SRC, type GpuDevice, STORAGE, UNIFORM } from './device.ts';
import { type Binding, encode } from './kernel.ts';
import { WeightUploader } from './kernels/repack/upload.ts';
import { buffersOf, createWeightMatrix, type WeightMatrix } from './kernels/weights/weights.ts';
import { linear } from './linear.ts';
import type { RowClass } from './linear-operands.ts';
import { bindEach, dispatchesOf, type PlanStep, type StepSource } from './plan-step.ts';
import { bindTogether, type Known, type View } from './shared-bind-group.ts';
import { subgroupMatrixPays } from './subgroup-matrix.ts';

/** No multiple of a tile or of a workgroup's teams. */
const OUTPUTS = 70;
/** Of those, how many the first of two products has that stand in one pipeline: it takes more workgroups than the second. */
const FIRST_OUTPUTS = 40;
/** A step for each lane of the widest team, so that sums cross a whole subgroup. */
const COLUMNS = 512;
/** The kernel for prompts, the one that decodes for a session alone, and one for several. */
const ROW_CLASSES: RowClass[] = [{ kind: 'prompt' }, { kind: 'generated', rows: 1 }, { kind: 'generated', rows: 4 }];
/** Subgroup matrices: for tiles of 64 weight rows and of 128. */
const MATRIX_SPLITS = [1, 4];
const WEIGHT_VIEWS = ['array<vec2<u32>>', 'array<vec4<u32>>'] as const;
/** Of each row's inputs. Many of the last two rows' are subnormal f16 in matmul_subgroup_matrix.wgsl, which a GPU may take for nothing. */
const ROW_SCALES = [1, 2 ** -10, 2 ** -16];
const ROWS = ROW_SCALES.length;
/** Of the row's scale. The sums are whole eighths of it. */
const TOLERANCE = 1e-5;

/**
 * Asks the tuned matrix kernels for products whose answer the CPU knows, and falls back to the naive kernels for good where they
 * are wrong or do not compile: drivers have lied about subgroups before. Resolves to why, for a person, if it fell back. Where they fail through
 * the views of a shared bind group alone, or in pairs, none are shared, which costs the CPU and nothing else.
 *
 * Subgroup matrices must be right and faster than tiles, without which the device is as good as most.
 *
 * Rejects with the signal's reason.
 */
export async function chooseKernels(device: GpuDevice, signal?: AbortSignal): Promise<string | undefined> {
  const { features } = device;
  if (features.naive) return undefined;
  const products = await KnownProducts.create(device);
  const faultOf = async (check: () => Promise<void>): Promise<string | undefined> => {
    try {
      await check();
      return undefined;
    } catch (error) {
      signal?.throwIfAborted();
      return error instanceof Error ? error.message : String(error);
    }
  };
  try {
    if (features.subgroupMatrix) {
      const fault = await faultOf(async () => {
        for (const splits of MATRIX_SPLITS) await products.check({ kind: 'prompt' }, splits);
        if (!features.subgroupMatrixUntimed) features.subgroupMatrix = await subgroupMatrixPays(device, signal);
      });
      if (fault) features.subgroupMatrix = false;
    }
    const fault = await faultOf(async () => {
      for (const rowClass of ROW_CLASSES) await products.check(rowClass);
    });
    if (fault) {
      features.naive = true;
      features.subgroupMatrix = false;
      return `This GPU's fast kernels failed their known-answer test (${fault}); slower, safer ones are used.`;
    }
    const viewFault = await faultOf(async () => {
      for (const weights of WEIGHT_VIEWS) await products.checkThroughViews(weights);
    });
    if (viewFault) features.sharedBindGroups = false;
    return undefined;
  } finally {
    products.destroy();
  }
}

/**
 * Products of eighths whose sums have no more than the 24 bits of an f32, so that they are exact; every other column's weights and the others'
 * inputs have twelve bits, one more than an f16, since products on subgroup matrices are of two of those.
 */
class KnownProducts {
  readonly #device: GpuDevice;
  readonly #weights = Float32Array.from({ length: OUTPUTS * COLUMNS }, (_, i) => eighths(i * 37, i % 2 === 0));
  readonly #x = Float32Array.from(
    { length: ROWS * COLUMNS },
    (_, i) => rowScale(i, COLUMNS) * eighths(i * 53, i % 2 === 1),
  );
  readonly #matrix: WeightMatrix;
  readonly #batch: GPUBuffer;
  readonly #input: GPUBuffer;
  readonly #output: GPUBuffer;
  /** The input and behind it the output, in one buffer. */
  readonly #both: { buffer: GPUBuffer; input: GPUBufferBinding; output: GPUBufferBinding };

  private constructor(device: GpuDevice, matrix: WeightMatrix) {
    this.#device = device;
    this.#matrix = matrix;
    const inputBytes = 4 * this.#x.byteLength;
    const outputBytes = Math.max(...MATRIX_SPLITS) * ROWS * OUTPUTS * 4;
    const usage = STORAGE | COPY_SRC | COPY_DST;
    this.#batch = device.createBuffer('known answer batch', 16, UNIFORM | COPY_DST);
    this.#input = device.createBuffer('known answer input', inputBytes, usage);
    this.#output = device.createBuffer('known answer output', outputBytes, usage);
    const buffer = device.createBuffer('known answer', bytesOfRanges([inputBytes, outputBytes]), usage);
    const ranges = new BufferRanges(buffer);
    this.#both = { buffer, input: ranges.next(inputBytes), output: ranges.next(outputBytes) };
    const { queue } = device.device;
    queue.writeBuffer(this.#batch, 0, new Uint32Array([ROWS, 0, 0, 0]));
    queue.writeBuffer(this.#input, 0, this.#x);
    queue.writeBuffer(buffer, 0, this.#x);
  }

  static async create(device: GpuDevice): Promise<KnownProducts> {
    const shape = { label: 'known answer', type: 'F32', rows: OUTPUTS, columns: COLUMNS } as const;
    const products = new KnownProducts(device, createWeightMatrix(device, shape));
    const uploader = await WeightUploader.create(device, []);
    await uploader.upload(products.#matrix, 0, 0, new Uint8Array(products.#weights.buffer));
    uploader.flush();
    uploader.destroy();
    return products;
  }

  /**
   * Throws for a wrong product, with both.
   * @param splits of prompt rows
   */
  async check(rowClass: RowClass, splits = 1): Promise<void> {
    const [input, output] = [this.#input, this.#output];
    const steps = this.#steps(rowClass, this.#matrix, input, output, splits);
    await this.#compare(rowClass, await bindEach(this.#device, steps), { buffer: output, offset: 0, splits });
  }

  /**
   * The same for a generated row by two products in one pipeline, whose operands are views of buffers that others share, their weights read as one type
   * of vector.
   */
  async checkThroughViews(weights: 'array<vec2<u32>>' | 'array<vec4<u32>>'): Promise<void> {
    const rowClass = { kind: 'generated', rows: 1 } as const;
    const { buffer, input, output } = this.#both;
    const views: View[] = [
      { binding: input, access: 'read_write', type: 'array<vec4<f32>>' },
      { binding: output, access: 'read_write', type: 'array<f32>' },
      { binding: buffersOf(this.#matrix)[0]!, access: 'read', type: weights },
    ];
    const known: Known[] = [{ binding: this.#batch, value: `Batch(${ROWS}u, 0u, 0u, 0u)` }];
    const steps = this.#steps(rowClass, inTwoParts(this.#matrix), input, output);
    const paired = steps.map((step) => ({ ...step, pairBytes: 0 }));
    const bound = await bindTogether(this.#device, 'known answer', { views, known }, paired);
    await this.#compare(rowClass, bound, { buffer, offset: output.offset!, splits: 1 });
  }

  destroy(): void {
    for (const buffer of [this.#batch, this.#input, this.#output, this.#both.buffer, ...buffersOf(this.#matrix)]) {
      buffer.destroy();
    }
  }

  #steps(rowClass: RowClass, matrix: WeightMatrix, input: Binding, output: Binding, splits = 1): StepSource[] {
    const operands = { matrix, batch: this.#batch, input, output, outputStride: OUTPUTS, splits };
    return linear(this.#device, rowClass, operands);
  }

  async #compare(
    { kind }: RowClass,
    steps: PlanStep[],
    { buffer, offset, splits }: { buffer: GPUBuffer; offset: number; splits: number },
  ): Promise<void> {
    const { device } = this.#device;
    const count = ROWS * OUTPUTS;
    device.queue.writeBuffer(buffer, offset, new Float32Array(splits * count).fill(Number.NaN));
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode(pass, dispatchesOf(steps, { rows: ROWS, blocks: 1 }));
    pass.end();
    device.queue.submit([encoder.finish()]);
    const sums = new Float32Array(await this.#device.read(buffer, splits * count * 4, offset));
    for (let i = 0; i < count; i++) {
      let y = 0;
      for (let split = 0; split < splits; split++) y += sums[split * count + i]!;
      const expected = product(this.#weights, this.#x, i);
      if (!(Math.abs(y - expected) <= TOLERANCE * rowScale(i, OUTPUTS))) {
        throw new Error(`${kind} rows: ${y} instead of ${expected}`);
      }
    }
  }
}

/** Of the row in which element i stands. */
function rowScale(i: number, columns: number): number {
  return ROW_SCALES[Math.floor(i / columns)]!;
}

/** From −512 to 512, or whole numbers from −5 to 5. */
function eighths(seed: number, large: boolean): number {
  return large ? ((seed % 8191) - 4095) / 8 : (seed % 11) - 5;
}

/** A matrix of F32 as two parts of its buffer. */
function inTwoParts(matrix: WeightMatrix): WeightMatrix {
  const { buffer, offset = 0 } = matrix.parts[0]!.ranges[0]!;
  const part = (firstRow: number, end: number) => {
    const rowBytes = matrix.columns * 4;
    const range = { buffer, offset: offset + firstRow * rowBytes, size: (end - firstRow) * rowBytes };
    return { firstRow, rows: end - firstRow, ranges: [range] };
  };
  return { ...matrix, parts: [part(0, FIRST_OUTPUTS), part(FIRST_OUTPUTS, matrix.rows)] };
}

/** Element i of x·Wᵀ. */
function product(weights: Float32Array, x: Float32Array, i: number): number {
  const row = Math.floor(i / OUTPUTS);
  const output = i % OUTPUTS;
  let sum = 0;
  for (let k = 0; k < COLUMNS; k++) sum += weights[output * COLUMNS + k] * x[row * COLUMNS + k];
  return sum;
}
