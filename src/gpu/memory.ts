import type { Gemma3Config } from '../model/config.ts';
import { allocateModel } from './allocate-model.ts';
import type { GpuDevice, GpuFeatures } from './device.ts';
import { DEFAULT_CONTEXT, DEFAULT_SLOTS } from './gemma3.ts';

/** Prompt rows a chunk on a GPU, at most; a CPU adapter takes fewer, and needs that much less. */
const CHUNK = 256;

/**
 * Bytes of GPU memory that a model takes at the default context length, before it is loaded: its weights, whose repacked form is as
 * large as the stored one, and whatever the cache and the activations ask a device for that only counts. What is missing: the
 * sampler's own buffers, and 40 MB that weights pass through while they are uploaded.
 */
export function gpuBytesNeeded(config: Gemma3Config, weightBytes: number): number {
  const counter = new CountingDevice();
  const device = counter as unknown as GpuDevice;
  const contextTokens = Math.min(config.contextLength, DEFAULT_CONTEXT);
  const chunk = Math.min(contextTokens, CHUNK);
  allocateModel(device, config, { slotCount: DEFAULT_SLOTS, contextTokens, chunk, needsGateUp: false });
  return weightBytes + counter.bytes;
}

/** The part of GpuDevice that allocates, with the features of an ordinary GPU and without a GPU. */
class CountingDevice implements Pick<GpuDevice, 'bytes' | 'features' | 'software'> {
  bytes = 0;
  readonly features: GpuFeatures = {
    shuffleWidth: 32,
    timestampQuery: false,
    naive: false,
    sharedBindGroups: true,
    subgroupMatrix: false,
  };
  readonly software = false;
  readonly device = { queue: { writeBuffer() {} }, limits: { maxBufferSize: Number.POSITIVE_INFINITY } };

  createBuffer(_label: string, bytes: number): object {
    this.bytes += Math.max(16, Math.ceil(bytes / 16) * 16);
    return {};
  }
}
