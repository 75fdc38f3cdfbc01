import type { Gemma3Config } from '../model/config.ts';
import { type BufferShape, createModelBuffers, type ModelBuffers } from './buffers.ts';
import type { GpuDevice } from './device.ts';
import { KvCache } from './kv-cache.ts';

/** Everything of a model on the GPU but its weights and the sampler's own buffers: its cache, activations and state. */
export function allocateModel(
  device: GpuDevice,
  config: Gemma3Config,
  shape: Omit<BufferShape, 'generatedRows'>,
): { cache: KvCache; buffers: ModelBuffers } {
  const { slotCount, contextTokens, chunk } = shape;
  const cache = new KvCache(device, config, { slotCount, contextTokens, slack: chunk });
  return { cache, buffers: createModelBuffers(device, config, { ...shape, generatedRows: cache.rows }) };
}
