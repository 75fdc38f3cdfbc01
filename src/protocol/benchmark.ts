import type { ErrorPayload } from './errors.ts';
import type { AdapterDescription } from './generation.ts';

/** What a benchmark measured; medians over its runs. `bench --json` prints this object. */
export interface BenchmarkResult {
  adapter: AdapterDescription;
  /** WebGPU features in use. */
  features: string[];
  model: string;
  promptTokens: number;
  decodeTokens: number;
  runs: number;
  prefillTokensPerSecond: number;
  /** Of all sessions together. */
  decodeTokensPerSecond: number;
  /** Tokens that come together share the time since those before. */
  interTokenMs: { p50: number; p95: number };
  firstTokenMs: number;
  loadMs: number;
  /** Bytes of weights that one decoded token reads. */
  bytesPerToken: number;
  flopsPerToken: number;
  /** Sessions that decode together share theirs, and the CPU's time. */
  dispatchesPerToken: number;
  /** CPU time of the whole process a token, ms; a browser does not say. */
  cpuMsPerToken?: number;
  /** Live size of all GPU buffers. */
  gpuBytes: number;
  /** A plain streaming read on the same device in the same run. */
  floorGBps: number;
  /** Share of that bandwidth that decoding reaches, by the bytes of weights alone. */
  floorShare: number;
  /** Milliseconds a kernel of one prefill and one token; only where that was asked for. */
  profile?: { prefill: [kernel: string, ms: number][]; decode: [kernel: string, ms: number][] };
}

/** A stream of these ends with one `result` or one `error`. */
export type BenchmarkEvent =
  /** In tokens, of prompts and decoded ones alike. */
  | { type: 'progress'; done: number; total: number }
  | { type: 'result'; result: BenchmarkResult }
  | { type: 'error'; error: ErrorPayload };
