import type { Gemma3Config } from '../model/config.ts';
import type { ModelBuffers } from './buffers.ts';
import type { GpuDevice } from './device.ts';
import type { Gemma3Weights } from './gemma3-weights.ts';
import sumSubgroups from './kernels/norm/sum_subgroups.wgsl?raw';
import sumWorkgroup from './kernels/norm/sum_workgroup.wgsl?raw';
import type { KvCache } from './kv-cache.ts';
import { prologueBytes, type RowClass } from './linear-operands.ts';

/** What the steps of a plan are made from. */
export interface PlanContext {
  device: GpuDevice;
  config: Gemma3Config;
  weights: Gemma3Weights;
  cache: KvCache;
  buffers: ModelBuffers;
  contextTokens: number;
  /** A kernel of a layer may use as many storage buffers: as the device allows, or any number where the layer's views serve them all. */
  storageBuffers: number;
}

/** Whether vectors between kernels stand as matvec reads them best (matvec/arranged.wgsl). */
export function isArranged(device: GpuDevice, rowClass: RowClass): boolean {
  return rowClass.kind === 'generated' && !device.features.naive;
}

/**
 * Whether a matvec makes its input itself, in every workgroup: for one generated row, where the kernel's bindings and workgroup memory
 * suffice.
 */
export function fuses(
  { device, storageBuffers }: Pick<PlanContext, 'device' | 'storageBuffers'>,
  rowClass: RowClass,
  needed: number,
  columns: number,
): boolean {
  const { maxComputeWorkgroupStorageSize } = device.device.limits;
  return (
    rowClass.kind === 'generated' &&
    rowClass.rows === 1 &&
    !device.features.naive &&
    needed <= storageBuffers &&
    prologueBytes(device, columns) <= maxComputeWorkgroupStorageSize
  );
}

export function subgroupConstants({ features }: GpuDevice): Record<string, number> {
  return features.shuffleWidth > 1 ? { SHUFFLE: features.shuffleWidth } : {};
}

export function workgroupSum({ features }: GpuDevice): string {
  return features.shuffleWidth > 1 ? sumSubgroups : sumWorkgroup;
}
