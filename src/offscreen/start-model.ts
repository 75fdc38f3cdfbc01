import { createEngine } from '../engine/engine.ts';
import { measureModel } from '../gpu/bench/measure.ts';
import { GpuDevice } from '../gpu/device.ts';
import { Gemma3 } from '../gpu/gemma3.ts';
import { gpuBytesNeeded } from '../gpu/memory.ts';
import { createTokenizer, type Tokenizer } from '../model/tokenizer.ts';
import type { ModelEntriesOptions } from './model-entries.ts';
import type { StartModel } from './running-model.ts';

/* The one place where the extension meets src/gpu and src/engine. */

export const gpuBytes: ModelEntriesOptions['gpuBytes'] = ({ config, types }) =>
  gpuBytesNeeded(
    config,
    types.reduce((sum, { bytes }) => sum + bytes, 0),
  );

/** What a person waits some seconds for: the command line's defaults, and much less where the CPU does it. */
const BENCHMARK = { promptTokens: 64, decodeTokens: 128, runs: 5 };
const SOFTWARE_BENCHMARK = { promptTokens: 16, decodeTokens: 16, runs: 2 };
/** A streaming read that no cache can answer, in what memory a machine in use may have left. */
const FLOOR_BYTES = 256 * 2 ** 20;
const SOFTWARE_FLOOR_BYTES = 32 * 2 ** 20;

/** Brings a model onto this machine's GPU. */
export const startModel: StartModel = async (source, { signal, onProgress }) => {
  const startedAt = performance.now();
  const opening = GpuDevice.open(navigator.gpu, { signal });
  let tokenizer: Tokenizer;
  try {
    // Beside the GPU's answers: each takes a tenth of a second.
    tokenizer = createTokenizer(source.tokenizer);
  } catch (error) {
    void opening.then((device) => device.destroy()).catch(() => undefined);
    throw error;
  }
  const device = await opening;
  const model = await Gemma3.load(device, source, { signal, onProgress });
  const loadMs = performance.now() - startedAt;
  const engine = createEngine({ model, tokenizer, loadMs });
  const measured = { id: source.id, model, device, tensors: source.tensors, loadMs };
  return {
    engine,
    adapter: device.adapter,
    softwareAdapter: device.software,
    features: device.featuresInUse,
    notice: model.kernelNotice,
    gpuBytes: () => model.gpuBytes,
    lost: model.lost,
    benchmark: (options) =>
      engine.withSlot((slot) =>
        measureModel(measured, {
          ...options,
          ...(device.software ? SOFTWARE_BENCHMARK : BENCHMARK),
          floorBytes: device.software ? SOFTWARE_FLOOR_BYTES : FLOOR_BYTES,
          context: 0,
          slots: [slot],
        }),
      ),
    async destroy() {
      await device.idle();
      model.destroy();
    },
  };
};
