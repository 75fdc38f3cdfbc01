import { expect, test } from 'vitest';
import { openTestDevice, randomSource } from '../../tests/gpu/test-device.ts';
import { randomModel } from '../../tools/bench/synthetic.ts';
import type { Quantization } from '../model/manifest.ts';
import { isNorm } from '../model/norm.ts';
import type { ModelSource } from '../model/source.ts';
import type { Slot } from './contract.ts';
import type { GpuDeviceOptions } from './device.ts';
import { Gemma3 } from './gemma3.ts';
import { BenchModel } from './testing/bench-model.ts';

/*
 * The layers of one generated row with shared bind groups and without, on the tuned kernels: what they compute is the same, bit for bit, and the
 * same beside other rows and in one submit with the next.
 */

/** ms; SwiftShader takes seconds for a pipeline. */
const TIMEOUT = 240_000;
/** A local and a global layer, whose matrices are of several types in Q4_K_M. */
const CONFIG = {
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
};
const PROMPT = Array.from({ length: 70 }, (_, i) => (i * 37) % 512);

/** Norms that differ, so that it shows where one stands for another. */
function withRandomNorms(source: ModelSource): ModelSource {
  return {
    ...source,
    async *weights(options) {
      const { uniform } = randomSource(5);
      for await (const piece of source.weights(options)) {
        if (!isNorm(piece.tensor.name)) yield piece;
        else
          yield {
            ...piece,
            bytes: new Uint8Array(new Float32Array(piece.bytes.length / 4).map(() => 0.5 + uniform()).buffer),
          };
      }
    },
  };
}

/** Generates beside another slot and alone; `otherwise`, also alone throughout and in pairs, which must give the same. */
async function generate(source: ModelSource, options: GpuDeviceOptions, otherwise = false) {
  const { device, close } = await openTestDevice(options);
  try {
    const model = await Gemma3.load(device, source, { contextTokens: 128, slotCount: 2, chunk: 64 });
    expect(model.kernelNotice).toBeUndefined();
    const [slot, other] = [model.openSlot()!, model.openSlot()!];
    await model.prefill(other, PROMPT.slice(0, 3));
    await model.prefill(slot, PROMPT);
    /** Tokens and logits of one answer, by the slots of each submit and how many steps it takes. */
    const answer = async (submits: [slots: Slot[], steps: number][]) => {
      model.rewind(slot, PROMPT.length - 1);
      const tokens = [(await model.prefill(slot, PROMPT.slice(-1))).token];
      const logits: number[][] = [];
      for (const [slots, steps] of submits) {
        for (const sampled of await model.steps(slots, steps)) tokens.push(sampled[0]!.token);
        // Of the last step of a submit.
        if (tokens.length % 2 === 1) logits.push([...(await model.logits(slot))]);
      }
      return { tokens, logits };
    };
    const mixed = await answer([
      [[slot], 1],
      [[slot, other], 1],
      [[slot, other], 1],
      [[slot], 1],
    ]);
    if (otherwise) {
      const alone = Array.from({ length: 4 }, (): [Slot[], number] => [[slot], 1]);
      expect(await answer(alone)).toEqual(mixed);
      const pair: [Slot[], number] = [[slot], 2];
      expect(await answer([pair, pair])).toEqual(mixed);
    }
    return mixed;
  } finally {
    close();
  }
}

/** `apart`: bytes that one binding may have there, room for each of the matrices and not for a layer's. */
const SETTINGS: { quantization: Quantization; withoutSubgroups: boolean; apart: number }[] = [
  { quantization: 'q4_k_m', withoutSubgroups: false, apart: 200_000 },
  { quantization: 'q4_k_m', withoutSubgroups: true, apart: 200_000 },
  { quantization: 'q8_0', withoutSubgroups: false, apart: 400_000 },
  { quantization: 'q4_0', withoutSubgroups: false, apart: 200_000 },
  { quantization: 'q5_0', withoutSubgroups: false, apart: 250_000 },
];

/* One of them where SwiftShader has to do it. */
test.each(SETTINGS.slice(0, process.env.LAPIS_LONG === '1' ? undefined : 1))(
  'a token of $quantization is the same with shared bind groups and with own (without subgroups: $withoutSubgroups)',
  async ({ quantization, withoutSubgroups, apart }) => {
    const source = withRandomNorms(randomModel('test', CONFIG, quantization));
    const shared = await generate(source, { withoutSubgroups, naive: false }, true);
    const own = await generate(source, { withoutSubgroups, naive: false, maxBindingBytes: apart });
    expect(shared.logits.flat().every(Number.isFinite)).toBe(true);
    expect(own).toEqual(shared);
    // Too few for a head that norms its input itself.
    expect(await generate(source, { withoutSubgroups, naive: false, maxStorageBuffers: 8 })).toEqual(shared);
  },
  TIMEOUT,
);

test.each([
  { options: {}, sharedBindGroups: true, groups: 2 },
  { options: { maxBindingBytes: SETTINGS[0]!.apart }, sharedBindGroups: true, groups: 10 },
  { options: {}, sharedBindGroups: false, groups: 10 },
])(
  'ten dispatches of two layers have $groups bind groups with $options where views work: $sharedBindGroups',
  async ({ options, sharedBindGroups, groups }) => {
    const { device, close } = await openTestDevice({ naive: false, ...options });
    try {
      device.features.sharedBindGroups = sharedBindGroups;
      const model = await BenchModel.load(device, randomModel('test', CONFIG, 'q4_k_m'), {
        contextTokens: 128,
        chunk: 64,
      });
      const dispatches = await model.generated(/blk|attention/, 1, 70);
      expect(dispatches).toHaveLength(10);
      expect(new Set(dispatches.map(({ bindGroup }) => bindGroup)).size).toBe(groups);
    } finally {
      close();
    }
  },
  TIMEOUT,
);
