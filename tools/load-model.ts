import { GpuDevice, type GpuDeviceOptions } from '../src/gpu/device.ts';
import { Gemma3, type LoadOptions } from '../src/gpu/gemma3.ts';
import type { ModelSource } from '../src/model/source.ts';
import type { AdapterDescription } from '../src/protocol/generation.ts';
import { openNodeGpu } from './gpu-in-node.ts';

export interface NodeModel {
  model: Gemma3;
  device: GpuDevice;
  adapter: AdapterDescription;
  /** From the asking for an adapter to the readiness for a prompt. */
  loadMs: number;
  close(): void;
}

/**
 * Loads a model on Dawn in Node; says on stderr where slower kernels are used than the GPU has. `close` frees the GPU. Throws as `GpuDevice.open` and
 * `Gemma3.load` do.
 */
export async function loadModel(source: ModelSource, options: LoadOptions & GpuDeviceOptions = {}): Promise<NodeModel> {
  const start = performance.now();
  const { gpu, close } = await openNodeGpu();
  const device = await GpuDevice.open(gpu, options);
  const model = await Gemma3.load(device, source, options);
  if (model.kernelNotice) process.stderr.write(`${model.kernelNotice}\n`);
  return {
    model,
    device,
    adapter: device.adapter,
    loadMs: performance.now() - start,
    close() {
      model.destroy();
      close();
    },
  };
}
