import { type Gemma3Config, isGlobalLayer } from '../../../model/config.ts';
import { blockCount } from '../../kv-cache.ts';

/** Blocks of 64 positions that one workgroup of a generated row's attention takes on a CPU adapter. */
export const BLOCKS_PER_SPLIT = 1;

/** Splits of a generated row's attention over a layer's cache on a CPU adapter, at most. */
export function attentionSplits(config: Gemma3Config, layer: number, contextTokens: number): number {
  return Math.ceil(layerBlocks(config, layer, contextTokens) / BLOCKS_PER_SPLIT);
}

/** More than these would cost the kernels that join them more than they save; a long context's splits take several blocks each. */
const MOST_DECODE_SPLITS = 32;

/** Splits of a generated row's attention over a layer's cache elsewhere, at most (extent.wgsl). */
export function decodeSplits(config: Gemma3Config, layer: number, contextTokens: number): number {
  return Math.min(MOST_DECODE_SPLITS, layerBlocks(config, layer, contextTokens));
}

/** Blocks of 64 positions that a row may see. */
function layerBlocks(config: Gemma3Config, layer: number, contextTokens: number): number {
  const context = blockCount(contextTokens);
  return isGlobalLayer(config, layer) ? context : Math.min(context, blockCount(config.slidingWindow) + 1);
}

/** Invocations that share a key in blocks.wgsl: the most, up to 8, that divide its runs of 8 dimensions. */
export function keyLanes(headDim: number): number {
  return [8, 4, 2, 1].find((lanes) => (headDim / 8) % lanes === 0)!;
}
