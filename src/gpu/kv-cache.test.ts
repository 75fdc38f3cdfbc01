import { expect, test } from 'vitest';
import type { GpuDevice } from './device.ts';
import { KvCache } from './kv-cache.ts';
import { smallModel } from './testing/small-model.ts';

/** A cache of one slot on a device that only counts. */
function buffersOfLayer(maxBufferSize: number): Set<GPUBuffer> {
  const device = {
    createBuffer: (_label: string, size: number) => ({ size }),
    device: { queue: { writeBuffer() {} }, limits: { maxBufferSize } },
  };
  const shape = { slotCount: 1, contextTokens: 512, slack: 64 };
  const cache = new KvCache(device as unknown as GpuDevice, smallModel().config, shape);
  const { keys, values } = cache.layer(1);
  expect(keys.size).toBe(512 * 32 * 2);
  expect(values.size).toBe(keys.size);
  expect([keys.offset, values.offset]).toEqual(keys.buffer === values.buffer ? [0, keys.size] : [0, 0]);
  return new Set([keys.buffer, values.buffer]);
}

test("a layer's keys and values are two ranges of a buffer, or two buffers where that is too large", () => {
  expect(buffersOfLayer(2 * 512 * 32 * 2).size).toBe(1);
  expect(buffersOfLayer(2 * 512 * 32 * 2 - 1).size).toBe(2);
});
