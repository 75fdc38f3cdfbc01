import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestDevice } from '../../tests/gpu/test-device.ts';
import { randomModel } from '../../tools/bench/synthetic.ts';
import type { GpuDevice, GpuDeviceOptions } from './device.ts';
import { Gemma3 } from './gemma3.ts';
import { BenchModel } from './testing/bench-model.ts';

/* The layers of one generated row with shared bind groups and without: what they compute is the same, bit for bit. */

/** ms; SwiftShader takes seconds for a pipeline. */
const TIMEOUT = 240_000;
/** A local and a global layer, whose matrices are of several types. */
const SOURCE = randomModel(
  'mixed',
  {
    hiddenSize: 256,
    feedForwardSize: 512,
    layerCount: 2,
    headCount: 2,
    kvHeadCount: 1,
    headDim: 64,
    vocabularySize: 512,
    contextLength: 256,
    rmsNormEpsilon: 1e-6,
    queryScale: 64 ** -0.5,
    slidingWindow: 64,
    slidingWindowPattern: 2,
    ropeThetaGlobal: 1_000_000,
    ropeThetaLocal: 10_000,
    ropeScaleGlobal: 1,
  },
  'q4_k_m',
);
/** Room for each of the matrices, and not for a layer's. */
const APART = 200_000;
const PROMPT = Array.from({ length: 70 }, (_, i) => (i * 37) % 512);

async function generate(options: GpuDeviceOptions) {
  const { device, close } = await openTestDevice(options);
  try {
    const model = await Gemma3.load(device, SOURCE, { contextTokens: 128, slotCount: 2, chunk: 64 });
    const [slot, other] = [model.openSlot()!, model.openSlot()!];
    const tokens = [(await model.prefill(slot, PROMPT)).token];
    await model.prefill(other, PROMPT.slice(0, 3));
    // Alone, beside another, and alone again.
    for (const slots of [[slot], [slot], [slot, other], [slot]]) tokens.push((await model.step(slots))[0]!.token);
    return { tokens, logits: await model.logits(slot) };
  } finally {
    close();
  }
}

/** What is shared does not depend on subgroups, whose kernels take SwiftShader as long again. */
const SETTINGS = [false, ...(process.env.LAPIS_LONG === '1' ? [true] : [])].map((withoutSubgroups) => ({
  withoutSubgroups,
}));

test.each(SETTINGS)(
  'a token is the same with shared bind groups and with own (without subgroups: $withoutSubgroups)',
  async (options) => {
    const shared = await generate({ ...options, naive: false });
    const own = await generate({ ...options, naive: false, maxBindingBytes: APART });
    expect(shared.logits.every(Number.isFinite)).toBe(true);
    expect(own).toEqual(shared);
  },
  TIMEOUT,
);

describe('how many bind groups there are', () => {
  let device: GpuDevice;
  let close: () => void;

  beforeAll(async () => ({ device, close } = await openTestDevice({ naive: false })), TIMEOUT);
  afterAll(() => close());

  test(
    'one a layer for a row alone, one a dispatch for several',
    async () => {
      const model = await BenchModel.load(device, SOURCE, { contextTokens: 128, chunk: 64 });
      const layers = async (rows: number) => {
        const dispatches = await model.generated(/blk|attention/, rows, 70);
        return { dispatches: dispatches.length, groups: new Set(dispatches.map(({ bindGroup }) => bindGroup)).size };
      };
      expect(await layers(1)).toEqual({ dispatches: 10, groups: 2 });
      const together = await layers(2);
      expect(together.groups).toBe(together.dispatches);
    },
    TIMEOUT,
  );
});
