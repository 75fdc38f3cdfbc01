import type { GpuDevice } from '../../device.ts';
import fused from './fused.wgsl?raw';
import plain from './plain.wgsl?raw';

/** `madd(a, b, c)` and `madd4`, as the device does them best. */
export function madd(device: GpuDevice): string {
  return device.features.naive ? plain : fused;
}
