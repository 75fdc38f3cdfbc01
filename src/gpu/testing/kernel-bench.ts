import { median } from '../bench/measure.ts';
import { COPY_DST, COPY_SRC, type GpuDevice, MAP_MODE_READ, MAP_READ, QUERY_RESOLVE } from '../device.ts';
import { type Dispatch, encode } from '../kernel.ts';
import type { BenchModel } from './bench-model.ts';

/** What a NAME.bench.ts beside a kernel gives. Each case is timed before the next is asked for: the model's rows are placed for one. */
export type KernelBench = (model: BenchModel) => AsyncIterable<BenchCase>;

export interface BenchCase {
  name: string;
  /** Dispatches, timed as a chain of many rounds by the GPU's clock; or any work, by the wall clock. */
  round: Dispatch[] | (() => Promise<void>);
  /** How many times the thing whose time is wanted is in a round; default its dispatches. */
  times?: number;
  /** That one round reads, or writes where that is more. */
  bytes?: number;
  flops?: number;
}

export interface BenchFigures {
  kernel: string;
  name: string;
  /** In one round. */
  dispatches: number;
  /** Nanoseconds of one dispatch, or of what a case says. */
  ns: number;
  GBps?: number;
  GFLOPs?: number;
  /** GBps as a share of a streaming read. */
  floorShare?: number;
}

export interface TimingOptions {
  runs: number;
  /** What a run should take, ms: short chains are repeated. */
  runMs: number;
  floorGBps: number;
}

/** Times one case: a run to warm up, then the median of some. */
export async function timeCase(
  device: GpuDevice,
  kernel: string,
  { name, round, times, bytes, flops }: BenchCase,
  { runs, runMs, floorGBps }: TimingOptions,
): Promise<BenchFigures> {
  const run = Array.isArray(round) ? await chain(device, round) : wallClock(round);
  const first = await run(1);
  const rounds = Math.min(1000, Math.max(1, Math.floor(runMs / Math.max(await run(1), first / 10, 1e-3))));
  const samples: number[] = [];
  for (let i = 0; i < runs; i++) samples.push((await run(rounds)) / rounds);
  const ms = median(samples);
  const dispatches = Array.isArray(round) ? round.length : 1;
  const GBps = bytes === undefined ? undefined : bytes / ms / 1e6;
  return {
    kernel,
    name,
    dispatches,
    ns: (ms * 1e6) / (times ?? dispatches),
    ...(GBps !== undefined && { GBps, floorShare: GBps / floorGBps }),
    ...(flops !== undefined && { GFLOPs: flops / ms / 1e6 }),
  };
}

/** Gives the ms of so many rounds in one pass: each dispatch waits for the one before where both write a buffer, as in the plan. */
async function chain(device: GpuDevice, round: Dispatch[]): Promise<(rounds: number) => Promise<number>> {
  if (round.length === 0) throw new Error('A case has no dispatches: the plan no longer has a step of that name.');
  if (!device.features.timestampQuery) {
    return (rounds) =>
      wallClock(async () => {
        const encoder = device.device.createCommandEncoder();
        encodeRounds(encoder.beginComputePass(), round, rounds);
        device.device.queue.submit([encoder.finish()]);
        await device.device.queue.onSubmittedWorkDone();
      })(1);
  }
  const querySet = device.device.createQuerySet({ type: 'timestamp', count: 2 });
  const resolved = device.createBuffer('timestamps', 16, QUERY_RESOLVE | COPY_SRC);
  const readBack = device.createBuffer('timestamps read back', 16, MAP_READ | COPY_DST);
  return async (rounds) => {
    const encoder = device.device.createCommandEncoder();
    const timestampWrites = { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 };
    encodeRounds(encoder.beginComputePass({ timestampWrites }), round, rounds);
    encoder.resolveQuerySet(querySet, 0, 2, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, readBack, 0, 16);
    device.device.queue.submit([encoder.finish()]);
    await readBack.mapAsync(MAP_MODE_READ);
    const [begin, end] = new BigUint64Array(readBack.getMappedRange().slice(0));
    readBack.unmap();
    return Number(end! - begin!) / 1e6;
  };
}

function encodeRounds(pass: GPUComputePassEncoder, round: Dispatch[], rounds: number): void {
  for (let i = 0; i < rounds; i++) encode(pass, round);
  pass.end();
}

function wallClock(work: () => Promise<void>): (rounds: number) => Promise<number> {
  return async (rounds) => {
    const start = performance.now();
    for (let i = 0; i < rounds; i++) await work();
    return performance.now() - start;
  };
}
