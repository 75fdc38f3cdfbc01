import { type Gemma3Config, isGlobalLayer } from '../../../model/config.ts';
import { BLOCK_POSITIONS } from '../../kv-cache.ts';

/** Blocks of 64 positions that one workgroup of a generated row's attention takes. */
export const BLOCKS_PER_SPLIT = 1;

/** Splits of a generated row's attention over a layer's cache, at most. */
export function attentionSplits(config: Gemma3Config, layer: number, contextTokens: number): number {
  const context = Math.ceil(contextTokens / BLOCK_POSITIONS);
  const blocks = isGlobalLayer(config, layer)
    ? context
    : Math.min(context, Math.ceil(config.slidingWindow / BLOCK_POSITIONS) + 1);
  return Math.ceil(blocks / BLOCKS_PER_SPLIT);
}
