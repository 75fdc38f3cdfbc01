import { randomModel } from '../../../tools/bench/synthetic.ts';
import type { ModelSource } from '../../model/source.ts';

/** A model of random weights that a CPU adapter computes in milliseconds: a local and a global layer, of 512 positions. */
export function smallModel(): ModelSource {
  const config = {
    hiddenSize: 64,
    feedForwardSize: 256,
    layerCount: 2,
    headCount: 2,
    kvHeadCount: 1,
    headDim: 32,
    vocabularySize: 512,
    contextLength: 512,
    rmsNormEpsilon: 1e-6,
    queryScale: 32 ** -0.5,
    slidingWindow: 64,
    slidingWindowPattern: 2,
    ropeThetaGlobal: 1_000_000,
    ropeThetaLocal: 10_000,
    ropeScaleGlobal: 1,
  };
  return randomModel('small', config, 'q8_0');
}
