import { OUTPUT_TENSOR } from '../../model/gemma3-tensors.ts';
import type { TensorInfo } from '../../model/tensor.ts';
import type { BenchmarkResult } from '../../protocol/benchmark.ts';
import { LapisError } from '../../protocol/errors.ts';
import type { LoadedModel, SampledToken, Slot } from '../contract.ts';
import type { GpuDevice } from '../device.ts';
import type { Gemma3 } from '../gemma3.ts';
import { Profiler } from '../profiler.ts';
import { StepPace } from '../step-pace.ts';
import { streamingReadGBps } from './stream-read.ts';

/** A model on the GPU, and what is known about it. */
export interface MeasuredModel {
  id: string;
  model: Gemma3;
  device: GpuDevice;
  tensors: readonly TensorInfo[];
  loadMs: number;
}

export interface MeasureOptions {
  /** Open slots that nobody else uses, 1 to 8, decoded together. They are left with what was generated last. */
  slots: readonly Slot[];
  promptTokens: number;
  decodeTokens: number;
  /** Tokens that stand in the cache before the prompt. */
  context: number;
  runs: number;
  /** The least time, ms, for which runs that do not count go before: one always does. Default 0. */
  warmUpMs?: number;
  /** Bytes that the measurement of the bandwidth reads at most. */
  floorBytes: number;
  /** Times every kernel; the device must have been opened with `timestamps`. */
  profile?: boolean;
  /** CPU time of this process so far, ms, where it can be had. */
  cpuMs?: () => number;
  signal: AbortSignal;
  /** In tokens, of prompts and decoded ones alike. */
  onProgress?: (done: number, total: number) => void;
}

/** Submits of steps before the first of them has been read back. */
const IN_FLIGHT = 4;
const PROFILED_TOKENS = 8;

/** Throws `context-overflow` where a measurement would run past the context of so many tokens. */
export function checkRoom(
  contextTokens: number,
  { context, promptTokens, decodeTokens }: Pick<MeasureOptions, 'context' | 'promptTokens' | 'decodeTokens'>,
): void {
  if (context + promptTokens + decodeTokens <= contextTokens) return;
  const tokens = `${context} + ${promptTokens} + ${decodeTokens} tokens (before the prompt, the prompt, decoded)`;
  throw new LapisError('context-overflow', `${tokens} do not fit the model's context of ${contextTokens}.`);
}

/**
 * Measures prefill and decoding. Rejects with the signal's reason, and with `context-overflow` before it computes; nothing is in flight
 * then.
 */
export async function measureModel(measured: MeasuredModel, options: MeasureOptions): Promise<BenchmarkResult> {
  const { model, device, tensors } = measured;
  const { promptTokens, decodeTokens, context, slots, runs, signal } = options;
  checkRoom(model.contextTokens, options);
  const floorGBps = await streamingReadGBps(device, options.floorBytes);
  const runTokens = slots.length * (context + promptTokens) + decodeTokens;
  const samples: Run[] = [];
  const measureNext = (run: number, doneBefore = run * runTokens) => {
    signal.throwIfAborted();
    const onTokens = (done: number) =>
      options.onProgress?.(Math.min(doneBefore + done, (run + 1) * runTokens), (runs + 1) * runTokens);
    return measureRun(model, options, run, onTokens);
  };
  // Progress waits at the end of the first run while others follow it.
  const start = performance.now();
  for (let again = 0; again === 0 || performance.now() - start < (options.warmUpMs ?? 0); again++) {
    await measureNext(0, again * runTokens);
  }
  for (let run = 1; run <= runs; run++) samples.push(await measureNext(run));
  const decoded = decodeTokens * slots.length;
  const decodeTokensPerSecond = median(samples.map(({ decodeMs }) => (1000 * decoded) / decodeMs));
  const { bytes, flops } = costOfToken(tensors);
  const intervals = samples.flatMap((sample) => sample.intervals).sort((a, b) => a - b);
  const result: BenchmarkResult = {
    adapter: device.adapter,
    features: device.featuresInUse,
    model: measured.id,
    promptTokens,
    decodeTokens,
    runs,
    prefillTokensPerSecond: median(samples.map((sample) => (1000 * promptTokens) / sample.firstTokenMs)),
    decodeTokensPerSecond,
    interTokenMs: { p50: quantile(intervals, 0.5), p95: quantile(intervals, 0.95) },
    firstTokenMs: median(samples.map((sample) => sample.firstTokenMs)),
    loadMs: measured.loadMs,
    bytesPerToken: bytes,
    flopsPerToken: flops,
    dispatchesPerToken: samples[0].dispatches / decoded,
    ...(options.cpuMs && { cpuMsPerToken: median(samples.map(({ cpuMs }) => cpuMs / decoded)) }),
    gpuBytes: model.gpuBytes,
    floorGBps,
    floorShare: (bytes * decodeTokensPerSecond) / slots.length / (floorGBps * 1e9),
  };
  if (options.profile) result.profile = await profile(model, device, options);
  return result;
}

interface Run {
  firstTokenMs: number;
  decodeMs: number;
  cpuMs: number;
  dispatches: number;
  intervals: number[];
}

async function measureRun(
  model: Gemma3,
  { promptTokens, decodeTokens, context, slots, signal, cpuMs = () => 0 }: MeasureOptions,
  run: number,
  onTokens: (done: number) => void,
): Promise<Run> {
  let done = 0;
  const prefill = async (slot: Slot, count: number, seed: number) => {
    await model.prefill(slot, randomTokens(count, model, seed), {
      signal,
      onProgress: (part) => onTokens(done + part),
    });
    done += count;
  };
  let firstTokenMs = 0;
  for (const slot of slots) {
    empty(model, slot);
    if (context > 0) await prefill(slot, context, run);
    const start = performance.now();
    await prefill(slot, promptTokens, run + 1);
    firstTokenMs = performance.now() - start;
  }
  const dispatchesBefore = model.runner.dispatches;
  const cpuBefore = cpuMs();
  const decoded = await timeDecoding(model, slots, decodeTokens, { signal, onToken: () => onTokens(++done) });
  return {
    firstTokenMs,
    decodeMs: decoded.ms,
    cpuMs: cpuMs() - cpuBefore,
    dispatches: model.runner.dispatches - dispatchesBefore,
    intervals: decoded.intervals,
  };
}

/**
 * Decodes `count` tokens in each slot. `intervals` are the times between tokens, ms; tokens that come together share theirs. Nothing is in
 * flight when it rejects.
 */
export async function timeDecoding(
  model: LoadedModel,
  slots: readonly Slot[],
  count: number,
  { signal, onToken }: { signal?: AbortSignal; onToken?: () => void } = {},
): Promise<{ ms: number; intervals: number[] }> {
  const start = performance.now();
  const intervals: number[] = [];
  const inFlight: Promise<SampledToken[][]>[] = [];
  let last = start;
  let asked = 0;
  const pace = new StepPace();
  try {
    while (intervals.length < count) {
      while (asked < count && inFlight.length < IN_FLIGHT) {
        const together = Math.min(pace.together(asked - intervals.length), count - asked);
        const steps = model.steps(slots, together);
        // It is awaited below; one that fails before those asked for earlier are there may not be a rejection that nobody handles.
        steps.catch(() => undefined);
        inFlight.push(steps);
        asked += together;
      }
      signal?.throwIfAborted();
      const steps = await inFlight.shift()!;
      const now = performance.now();
      pace.took(steps.length, now - last);
      for (const _ of steps) {
        intervals.push((now - last) / steps.length);
        onToken?.();
      }
      last = now;
    }
  } finally {
    // Whoever gets the slots back must not find them written to.
    await Promise.allSettled(inFlight);
  }
  return { ms: last - start, intervals };
}

/** One prefill and one token, the mean of some. */
async function profile(model: Gemma3, device: GpuDevice, options: MeasureOptions) {
  const { slots, context, promptTokens, signal } = options;
  const [slot] = slots;
  const tokens = Math.min(PROFILED_TOKENS, options.decodeTokens);
  empty(model, slot);
  if (context > 0) await model.prefill(slot, randomTokens(context, model, 0), { signal });
  const [prefill, decode] = [new Profiler(device), new Profiler(device)];
  try {
    model.runner.profiler = prefill;
    await model.prefill(slot, randomTokens(promptTokens, model, 1), { signal });
    model.runner.profiler = decode;
    for (let token = 0; token < tokens; token++) await model.step([slot]);
    const decoded = await decode.results();
    return {
      prefill: await prefill.results(),
      decode: decoded.map(([kernel, ms]): [string, number] => [kernel, ms / tokens]),
    };
  } finally {
    model.runner.profiler = undefined;
    prefill.destroy();
    decode.destroy();
  }
}

function empty(model: Gemma3, slot: Slot): void {
  model.rewind(slot, 0);
  model.setSampler(slot, {});
}

/** Token ids, the same for the same seed, that are no control tokens. */
export function randomTokens(count: number, { config }: Gemma3, seed: number): number[] {
  const special = Math.min(256, Math.floor(config.vocabularySize / 2));
  return Array.from(
    { length: count },
    (_, i) => (((i + 1) * 7919 + seed * 104729) % (config.vocabularySize - special)) + special,
  );
}

/** What one decoded token reads and computes, by the weights alone: a separate head takes the embedding's place. */
export function costOfToken(tensors: readonly TensorInfo[]): { bytes: number; flops: number } {
  const untied = tensors.some(({ name }) => name === OUTPUT_TENSOR);
  const weights = tensors.filter(({ name }) => name !== 'token_embd.weight' || !untied);
  const elements = weights.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  return { bytes: weights.reduce((sum, tensor) => sum + tensor.bytes, 0), flops: 2 * elements };
}

export function median(values: readonly number[]): number {
  return quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}

/**
 * Between two samples on the line from one to the other (Hyndman and Fan's type 7, as NumPy has it).
 * @param sorted ascending
 */
function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const [below, above] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return below + (above - below) * (at % 1);
}
