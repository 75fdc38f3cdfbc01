import { type GpuDevice, STORAGE, UNIFORM } from './device.ts';
import { type Dispatch, encode } from './kernel.ts';
import { buffersOf, createWeightMatrix } from './kernels/weights/weights.ts';
import { linear } from './linear.ts';
import { bindEach, dispatchesOf } from './plan-step.ts';

/** Gate and up of Gemma 3 1B for a chunk of a prompt: 8 GFLOP. */
const SHAPE = { label: 'timed', type: 'Q4_0', rows: 13_824, columns: 1152 } as const;
const ROWS = 256;
/** Times for each way, the first of them to warm up. */
const RUNS = 4;
/** What a run is to take, ms: more than what waiting for a submit adds, and not long for pages that share the GPU. */
const RUN_MS = 5;
const MOST_DISPATCHES = 32;
/** A product that takes longer, ms, is timed no more often than it must be. */
const SLOW_MS = 50;
/** What they must take at most of the other's time: prompts have other bits with them, so that a tie is not to be drawn for at each load. */
const WORTH = 0.95;

/** Whether prompts are faster on subgroup matrices, by the time of one product each way, in turns. Rejects with the signal's reason. */
export async function subgroupMatrixPays(device: GpuDevice, signal?: AbortSignal): Promise<boolean> {
  const matrix = createWeightMatrix(device, SHAPE);
  const batch = device.createBuffer('timed batch', 16, UNIFORM);
  const input = device.createBuffer('timed input', ROWS * SHAPE.columns * 4, STORAGE);
  const output = device.createBuffer('timed output', ROWS * SHAPE.rows * 4, STORAGE);
  const { subgroupMatrix } = device.features;
  try {
    const compile = async (way: boolean) => {
      device.features.subgroupMatrix = way;
      const steps = linear(device, { kind: 'prompt' }, { matrix, batch, input, output, outputStride: SHAPE.rows });
      return dispatchesOf(await bindEach(device, steps), { rows: ROWS, blocks: 1 });
    };
    const ways = [await compile(true), await compile(false)];
    const best = ways.map(() => Number.POSITIVE_INFINITY);
    for (let run = 0; run < RUNS; run++) {
      for (const [index, dispatches] of ways.entries()) {
        signal?.throwIfAborted();
        best[index] = Math.min(best[index]!, await msOf(device, dispatches, best[index]!));
      }
      if (Math.max(...best) > SLOW_MS) break;
    }
    return best[0]! < WORTH * best[1]!;
  } finally {
    device.features.subgroupMatrix = subgroupMatrix;
    for (const buffer of [batch, input, output, ...buffersOf(matrix)]) buffer.destroy();
  }
}

/** Of one round, as the mean of as many as fit a run if one takes `expected`. */
async function msOf(device: GpuDevice, round: Dispatch[], expected: number): Promise<number> {
  const rounds = Math.max(1, Math.min(MOST_DISPATCHES, Math.floor(RUN_MS / expected)));
  const encoder = device.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (let i = 0; i < rounds; i++) encode(pass, round);
  pass.end();
  const commands = encoder.finish();
  const start = performance.now();
  device.device.queue.submit([commands]);
  await device.idle();
  return (performance.now() - start) / rounds;
}
