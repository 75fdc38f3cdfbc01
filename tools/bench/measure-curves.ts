import { costOfToken, median, randomTokens, timeDecoding } from '../../src/gpu/bench/measure.ts';
import { streamingReadGBps } from '../../src/gpu/bench/stream-read.ts';
import { type Gemma3Config, isGlobalLayer } from '../../src/model/config.ts';
import type { ModelSource } from '../../src/model/source.ts';
import type { AdapterDescription } from '../../src/protocol/generation.ts';
import { loadModel } from '../load-model.ts';

/** How cost grows with length: what docs/curves.svg shows. */
export interface Curves {
  /** Of the measurement, as 2026-01-31. */
  date: string;
  adapter: AdapterDescription;
  model: string;
  floorGBps: number;
  /** Mean time of a token while the context grows to `tokens`, and what a streaming read of its weights and cache would take. */
  decode: { tokens: number; ms: number; floorMs: number }[];
  /** From an empty slot to the token after the prompt. */
  prefill: { tokens: number; ms: number }[];
  /** Live size of all GPU buffers of a model loaded for one sequence of `tokens`. */
  memory: { tokens: number; bytes: number }[];
}

export interface CurvesOptions {
  /** Lengths to measure at, ascending; at most the model's context. */
  lengths: readonly number[];
  /** Tokens that a decode time is the mean of; fewer than the shortest length. */
  decodeTokens: number;
  runs: number;
  floorBytes: number;
  signal?: AbortSignal;
  note?: (line: string) => void;
}

/** Measures one sequence that grows through all lengths, then loads the model for each of the shorter ones. */
export async function measureCurves(source: ModelSource, options: CurvesOptions): Promise<Curves> {
  const { lengths, signal, note = () => {} } = options;
  const longest = lengths[lengths.length - 1];
  const loaded = await loadModel(source, { contextTokens: longest, slotCount: 1, signal });
  const curves: Curves = {
    date: new Date().toISOString().slice(0, 10),
    adapter: loaded.adapter,
    model: source.id,
    floorGBps: await streamingReadGBps(loaded.device, options.floorBytes),
    decode: [],
    prefill: [],
    memory: [],
  };
  const { model } = loaded;
  const slot = model.openSlot()!;
  const decodedFrom = (tokens: number) => tokens - options.decodeTokens - 1;
  try {
    await model.prefill(slot, randomTokens(lengths[0], model, 0), { signal });
    await timeDecoding(model, [slot], Math.min(8, longest - lengths[0]), { signal });
    model.rewind(slot, 0);
    let prefillMs = 0;
    for (const tokens of lengths) {
      const start = performance.now();
      await model.prefill(slot, randomTokens(tokens - model.position(slot), model, tokens), { signal });
      prefillMs += performance.now() - start;
      curves.prefill.push({ tokens, ms: prefillMs });
      const times: number[] = [];
      for (let run = 0; run < options.runs; run++) {
        // The slot's place on the GPU follows from a prompt row.
        if (!model.rewind(slot, decodedFrom(tokens))) throw new Error(`The cache no longer holds ${tokens} positions.`);
        await model.prefill(slot, randomTokens(1, model, run));
        const { ms } = await timeDecoding(model, [slot], options.decodeTokens, { signal });
        times.push(ms / options.decodeTokens);
      }
      const bytes = costOfToken(source.tensors).bytes + cacheBytes(source.config, tokens);
      curves.decode.push({ tokens, ms: median(times), floorMs: bytes / curves.floorGBps / 1e6 });
      note(`${tokens} tokens: prefill ${prefillMs.toFixed(1)} ms, a token ${median(times).toFixed(3)} ms`);
    }
    curves.memory.push({ tokens: longest, bytes: model.gpuBytes });
  } finally {
    loaded.close();
  }
  for (const tokens of lengths.slice(0, -1).toReversed()) {
    signal?.throwIfAborted();
    curves.memory.unshift({ tokens, bytes: await memoryOf(source, tokens) });
    note(`${tokens} tokens: ${(curves.memory[0].bytes / 1e6).toFixed(1)} MB`);
  }
  return curves;
}

/** Keys and values, as halves, that one token's attention reads: all positions in global layers, the window's in local ones. */
function cacheBytes(config: Gemma3Config, positions: number): number {
  let bytes = 0;
  for (let layer = 0; layer < config.layerCount; layer++) {
    const seen = isGlobalLayer(config, layer) ? positions : Math.min(positions, config.slidingWindow);
    bytes += seen * 2 * config.kvHeadCount * config.headDim * 2;
  }
  return bytes;
}

/** Buffers are all made before weights come: none need to. */
async function memoryOf(source: ModelSource, contextTokens: number): Promise<number> {
  const withoutWeights: ModelSource = { ...source, async *weights() {} };
  const { model, close } = await loadModel(withoutWeights, { contextTokens, slotCount: 1 });
  const bytes = model.gpuBytes;
  close();
  return bytes;
}
