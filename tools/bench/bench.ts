import type { Gemma3 } from '../../src/gpu/gemma3.ts';
import { Profiler } from '../../src/gpu/profiler.ts';
import { OUTPUT_TENSOR } from '../../src/model/gemma3-tensors.ts';
import type { ModelSource } from '../../src/model/source.ts';
import type { AdapterDescription } from '../../src/protocol/generation.ts';
import { loadModel } from '../load-model.ts';
import { streamingReadGBps } from './stream-read.ts';

export interface BenchOptions {
  promptTokens: number;
  decodeTokens: number;
  /** Tokens that stand in the cache before the prompt. */
  context: number;
  /** Sequences decoded together, 1 to 8. */
  sessions: number;
  runs: number;
  profile: boolean;
  signal: AbortSignal;
}

/** What `bench --json` prints; medians over the runs. */
export interface BenchResult {
  adapter: AdapterDescription;
  features: string[];
  model: string;
  promptTokens: number;
  decodeTokens: number;
  runs: number;
  prefillTokensPerSecond: number;
  /** Of all sessions together. */
  decodeTokensPerSecond: number;
  interTokenMs: { p50: number; p95: number };
  firstTokenMs: number;
  loadMs: number;
  /** Bytes of weights that one decoded token reads. */
  bytesPerToken: number;
  flopsPerToken: number;
  dispatchesPerToken: number;
  /** CPU time of the whole process a token. */
  cpuMsPerToken: number;
  gpuBytes: number;
  /** A plain streaming read on the same device in the same run. */
  floorGBps: number;
  /** Share of that bandwidth that decoding reaches, by the bytes of weights alone. */
  floorShare: number;
  /** Milliseconds a kernel of one prefill and one token, with `profile`. */
  profile?: { prefill: [string, number][]; decode: [string, number][] };
}

/** Steps that are submitted before the first of them has been read back. */
const IN_FLIGHT = 4;

export async function bench(source: ModelSource, options: BenchOptions): Promise<BenchResult> {
  const { promptTokens, decodeTokens, context, sessions, runs } = options;
  const contextTokens = context + promptTokens + decodeTokens;
  const { signal } = options;
  const loaded = await loadModel(source, { contextTokens, slotCount: sessions, signal, timestamps: options.profile });
  const { model, device } = loaded;
  try {
    const gpuBytes = model.gpuBytes;
    const floorGBps = await streamingReadGBps(device);
    const samples: Run[] = [];
    // The first run compiles and warms up, and does not count.
    for (let run = 0; run <= runs; run++) {
      signal.throwIfAborted();
      const sample = await measure(model, options, run);
      if (run > 0) samples.push(sample);
    }
    const decodeTokensPerSecond = median(samples.map((sample) => (1000 * decodeTokens * sessions) / sample.decodeMs));
    const weights = source.tensors.filter(({ name }) => name !== 'token_embd.weight' || !hasOutput(source));
    const bytesPerToken = weights.reduce((sum, tensor) => sum + tensor.bytes, 0);
    const intervals = samples.flatMap((sample) => sample.intervals).sort((a, b) => a - b);
    const result: BenchResult = {
      adapter: loaded.adapter,
      features: [...device.device.features].sort(),
      model: source.id,
      promptTokens,
      decodeTokens,
      runs,
      prefillTokensPerSecond: median(samples.map((sample) => (1000 * promptTokens) / sample.firstTokenMs)),
      decodeTokensPerSecond,
      interTokenMs: { p50: quantile(intervals, 0.5), p95: quantile(intervals, 0.95) },
      firstTokenMs: median(samples.map((sample) => sample.firstTokenMs)),
      loadMs: loaded.loadMs,
      bytesPerToken,
      flopsPerToken: 2 * weights.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
      dispatchesPerToken: samples[0].dispatches / decodeTokens,
      cpuMsPerToken: median(samples.map((sample) => sample.cpuMs / decodeTokens)),
      gpuBytes,
      floorGBps,
      floorShare: (bytesPerToken * decodeTokensPerSecond) / sessions / (floorGBps * 1e9),
    };
    if (options.profile) result.profile = await profile(model, new Profiler(device), new Profiler(device), options);
    return result;
  } finally {
    loaded.close();
  }
}

interface Run {
  firstTokenMs: number;
  decodeMs: number;
  cpuMs: number;
  dispatches: number;
  intervals: number[];
}

async function measure(model: Gemma3, options: BenchOptions, run: number): Promise<Run> {
  const { promptTokens, decodeTokens, context, sessions, signal } = options;
  const slots = Array.from({ length: sessions }, () => model.openSlot()!);
  let firstTokenMs = 0;
  for (const slot of slots) {
    if (context > 0) await model.prefill(slot, randomTokens(context, model, run), { signal });
    const start = performance.now();
    await model.prefill(slot, randomTokens(promptTokens, model, run + 1), { signal });
    firstTokenMs = performance.now() - start;
  }
  const dispatchesBefore = model.dispatches;
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  const intervals: number[] = [];
  const inFlight: Promise<unknown>[] = [];
  let last = start;
  for (let token = 0; token < decodeTokens || inFlight.length > 0; token++) {
    if (token < decodeTokens) inFlight.push(model.step(slots));
    if (inFlight.length < IN_FLIGHT && token < decodeTokens - 1) continue;
    await inFlight.shift();
    const now = performance.now();
    intervals.push(now - last);
    last = now;
  }
  const decodeMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpuBefore);
  const dispatches = model.dispatches - dispatchesBefore;
  for (const slot of slots) model.closeSlot(slot);
  return { firstTokenMs, decodeMs, cpuMs: (user + system) / 1000, dispatches, intervals };
}

async function profile(model: Gemma3, prefill: Profiler, decode: Profiler, options: BenchOptions) {
  const slot = model.openSlot()!;
  if (options.context > 0) await model.prefill(slot, randomTokens(options.context, model, 0));
  model.profiler = prefill;
  await model.prefill(slot, randomTokens(options.promptTokens, model, 1));
  model.profiler = decode;
  await model.step([slot]);
  model.profiler = undefined;
  return { prefill: await prefill.results(), decode: await decode.results() };
}

function randomTokens(count: number, { config }: Gemma3, seed: number): number[] {
  return Array.from(
    { length: count },
    (_, i) => (((i + 1) * 7919 + seed * 104729) % (config.vocabularySize - 256)) + 256,
  );
}

function hasOutput(source: ModelSource): boolean {
  return source.tensors.some(({ name }) => name === OUTPUT_TENSOR);
}

function median(values: number[]): number {
  return quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}

/** @param sorted ascending */
function quantile(sorted: number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}
