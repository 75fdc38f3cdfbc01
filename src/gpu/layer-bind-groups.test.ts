import { expect, test } from 'vitest';
import { openTestDevice, randomSource } from '../../tests/gpu/test-device.ts';
import { randomModel } from '../../tools/bench/synthetic.ts';
import type { Quantization } from '../model/manifest.ts';
import { isNorm } from '../model/norm.ts';
import type { ModelSource } from '../model/source.ts';
import type { Slot } from './contract.ts';
import type { GpuDevice, GpuDeviceOptions } from './device.ts';
import { Gemma3 } from './gemma3.ts';

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

/** Generates beside another slot and alone; `otherwise`, also alone throughout and several in a submit, which must give the same. */
async function generate(device: GpuDevice, source: ModelSource, otherwise = false) {
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
    expect(await answer([[[slot], 4]])).toEqual({ ...mixed, logits: mixed.logits.slice(1) });
  }
  return mixed;
}

async function withDevice<T>(options: GpuDeviceOptions, work: (device: GpuDevice) => Promise<T>): Promise<T> {
  const { device, close } = await openTestDevice({ naive: false, ...options });
  try {
    return await work(device);
  } finally {
    close();
  }
}

/** Labels of the pipelines that are asked for from here on. */
function labelsOf(device: GpuDevice): string[] {
  const labels: string[] = [];
  const pipeline = device.pipeline.bind(device);
  device.pipeline = (label, ...others) => {
    labels.push(label);
    return pipeline(label, ...others);
  };
  return labels;
}

const LONG = process.env.LAPIS_LONG === '1';

/** `apart`: bytes that one binding may have there, room for each of the matrices and not for a layer's. */
const SETTINGS: { quantization: Quantization; withoutSubgroups: boolean; apart: number }[] = [
  { quantization: 'q4_k_m', withoutSubgroups: false, apart: 200_000 },
  { quantization: 'q4_k_m', withoutSubgroups: true, apart: 200_000 },
  { quantization: 'q8_0', withoutSubgroups: false, apart: 400_000 },
  { quantization: 'q4_0', withoutSubgroups: false, apart: 200_000 },
  { quantization: 'q5_0', withoutSubgroups: false, apart: 250_000 },
];

/* One of them where SwiftShader has to do it. */
test.each(LONG ? SETTINGS : SETTINGS.slice(0, 1))(
  'a token of $quantization is the same with shared bind groups and with own (without subgroups: $withoutSubgroups)',
  async ({ quantization, withoutSubgroups, apart }) => {
    const source = withRandomNorms(randomModel('test', CONFIG, quantization));
    const shared = await withDevice({ withoutSubgroups }, async (device) => {
      const compiled = labelsOf(device);
      const paired = () =>
        compiled.splice(0).filter((label) => / of attention or .* of added norm$/.test(label)).length;
      const result = await generate(device, source, true);
      // A layer that attends to a window, and one that attends to everything.
      expect(paired()).toBe(withoutSubgroups ? 0 : 2);
      // Where the known answers are wrong through views, none are shared.
      expect(device.features.sharedBindGroups).toBe(true);
      device.features.sharedBindGroups = false;
      expect(await generate(device, source)).toEqual(result);
      expect(paired()).toBe(0);
      return result;
    });
    expect(shared.logits.flat().every(Number.isFinite)).toBe(true);
    // Eight are too few for a head that norms its input itself.
    for (const options of [{ maxStorageBuffers: 8 }, ...(LONG ? [{ maxBindingBytes: apart }] : [])]) {
      const other = await withDevice({ withoutSubgroups, ...options }, (device) => generate(device, source));
      expect(other).toEqual(shared);
    }
  },
  TIMEOUT,
);
