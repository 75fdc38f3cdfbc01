import { COPY_DST, COPY_SRC, type GpuDevice, STORAGE, UNIFORM } from './device.ts';
import { WeightUploader } from './kernels/repack/upload.ts';
import { buffersOf, createWeightMatrix } from './kernels/weights/weights.ts';
import { linear } from './linear.ts';
import type { RowClass } from './linear-operands.ts';
import { bindEach, encodePlan } from './plan-step.ts';

/** No multiple of a tile or of a workgroup's teams. */
const OUTPUTS = 70;
/** A step for each lane of the widest team, so that sums cross a whole subgroup. */
const COLUMNS = 512;
const ROWS = 3;
/** The kernel for prompts, the one that decodes for a session alone, and one for several. */
const ROW_CLASSES: RowClass[] = [{ kind: 'prompt' }, { kind: 'generated', rows: 1 }, { kind: 'generated', rows: 4 }];
/** Sums of 512 products in another order differ by about 1e-7. */
const TOLERANCE = 1e-5;

/**
 * Asks the tuned matrix kernels for products whose answer the CPU knows, and falls back to the naive kernels for good where they
 * are wrong or do not compile: drivers have lied about subgroups before. Resolves to why, for a person, if it fell back.
 */
export async function chooseKernels(device: GpuDevice): Promise<string | undefined> {
  if (device.features.naive) return undefined;
  const fault = await findFault(device);
  if (!fault) return undefined;
  device.features.naive = true;
  return `This GPU's fast kernels failed their known-answer test (${fault}); slower, safer ones are used.`;
}

async function findFault(device: GpuDevice): Promise<string | undefined> {
  // Small integers, so that the expected sums are exact.
  const weights = Float32Array.from({ length: OUTPUTS * COLUMNS }, (_, i) => ((i * 37) % 15) - 7);
  const x = Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => ((i * 53) % 11) - 5);
  const matrix = createWeightMatrix(device, { label: 'known answer', type: 'F32', rows: OUTPUTS, columns: COLUMNS });
  const uploader = await WeightUploader.create(device, []);
  await uploader.upload(matrix, 0, 0, new Uint8Array(weights.buffer));
  uploader.flush();
  const batch = device.createBuffer('known answer batch', 16, UNIFORM | COPY_DST);
  device.device.queue.writeBuffer(batch, 0, new Uint32Array([ROWS, 0, 0, 0]));
  const input = device.createBuffer('known answer input', 4 * x.byteLength, STORAGE | COPY_DST);
  device.device.queue.writeBuffer(input, 0, x);
  const output = device.createBuffer('known answer output', ROWS * OUTPUTS * 4, STORAGE | COPY_SRC | COPY_DST);
  try {
    for (const rowClass of ROW_CLASSES) {
      device.device.queue.writeBuffer(output, 0, new Float32Array(ROWS * OUTPUTS).fill(Number.NaN));
      const steps = await bindEach(
        device,
        linear(device, rowClass, { matrix, batch, input, output, outputStride: OUTPUTS }),
      );
      const encoder = device.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      encodePlan(pass, steps, { rows: ROWS, positions: 1 });
      pass.end();
      device.device.queue.submit([encoder.finish()]);
      const y = new Float32Array(await device.read(output, ROWS * OUTPUTS * 4));
      const wrong = y.findIndex((value, i) => !(Math.abs(value - product(weights, x, i)) <= TOLERANCE));
      if (wrong >= 0) return `${rowClass.kind} rows: ${y[wrong]} instead of ${product(weights, x, wrong)}`;
    }
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    for (const buffer of [batch, input, output, ...buffersOf(matrix)]) buffer.destroy();
    uploader.destroy();
  }
}

/** Element i of x·Wᵀ. */
function product(weights: Float32Array, x: Float32Array, i: number): number {
  const row = Math.floor(i / OUTPUTS);
  const output = i % OUTPUTS;
  let sum = 0;
  for (let k = 0; k < COLUMNS; k++) sum += weights[output * COLUMNS + k] * x[row * COLUMNS + k];
  return sum;
}
