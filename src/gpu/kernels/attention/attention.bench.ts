import { type Gemma3Config, isGlobalLayer } from '../../../model/config.ts';
import type { KernelBench } from '../../testing/kernel-bench.ts';

/** Attention of one token, of 8 sequences and of a prompt's chunk, over a short and a long context; all layers. */
export const bench: KernelBench = async function* (model) {
  const { config, chunk, contextTokens } = model;
  const last = contextTokens - 1;
  for (const [rows, position] of [
    [1, Math.min(last, 511)],
    [1, last],
    [8, last],
  ] as const) {
    const cache = cacheBytes(config, position);
    yield {
      name: `${rows} generated at ${position + 1}`,
      round: await model.generated(/^attention/, rows, position),
      bytes: rows * cache,
    };
  }
  yield {
    name: `a chunk of ${chunk} that ends at ${contextTokens}`,
    round: await model.prompt(/^attention/, chunk, last),
    flops: promptFlops(config, chunk, last),
  };
};

function seen(config: Gemma3Config, layer: number, position: number): number {
  return isGlobalLayer(config, layer) ? position + 1 : Math.min(position + 1, config.slidingWindow);
}

function layers({ layerCount }: Gemma3Config): number[] {
  return Array.from({ length: layerCount }, (_, layer) => layer);
}

/** Keys and values that one row reads, as halves. */
function cacheBytes(config: Gemma3Config, position: number): number {
  const entry = 2 * config.kvHeadCount * config.headDim * 2;
  return layers(config).reduce((sum, layer) => sum + seen(config, layer, position) * entry, 0);
}

/** Two products with as many terms as a row sees. */
function promptFlops(config: Gemma3Config, rows: number, last: number): number {
  const entry = 4 * config.headCount * config.headDim;
  let flops = 0;
  for (const layer of layers(config)) {
    for (let row = 0; row < rows; row++) flops += seen(config, layer, last - row) * entry;
  }
  return flops;
}
