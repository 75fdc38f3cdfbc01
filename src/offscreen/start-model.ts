import { createEngine } from '../engine/engine.ts';
import { GpuDevice } from '../gpu/device.ts';
import { Gemma3 } from '../gpu/gemma3.ts';
import { gpuBytesNeeded } from '../gpu/memory.ts';
import { createTokenizer } from '../model/tokenizer.ts';
import type { ModelEntriesOptions } from './model-entries.ts';
import type { StartModel } from './running-model.ts';

/* The one place where the extension meets src/gpu and src/engine. */

export const gpuBytes: ModelEntriesOptions['gpuBytes'] = ({ config, types }) =>
  gpuBytesNeeded(
    config,
    types.reduce((sum, { bytes }) => sum + bytes, 0),
  );

/** Brings a model onto this machine's GPU. */
export const startModel: StartModel = async (source, { signal, onProgress }) => {
  const startedAt = performance.now();
  // First, because nothing on the GPU has to be given back if it fails.
  const tokenizer = createTokenizer(source.tokenizer);
  const device = await GpuDevice.open(navigator.gpu, { signal });
  const model = await Gemma3.load(device, source, { signal, onProgress });
  const loadMs = performance.now() - startedAt;
  return {
    engine: createEngine({ model, tokenizer, loadMs }),
    adapter: device.adapter,
    softwareAdapter: device.software,
    notice: model.kernelNotice,
    gpuBytes: () => model.gpuBytes,
    lost: model.lost,
    destroy: () => model.destroy(),
  };
};
