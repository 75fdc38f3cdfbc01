import { describe, expect, test } from 'vitest';
import { GpuDevice, type GpuDeviceOptions } from '../../src/gpu/device.ts';
import { Gemma3 } from '../../src/gpu/gemma3.ts';
import type { ModelSource } from '../../src/model/source.ts';
import { LapisError } from '../../src/protocol/errors.ts';
import { openNodeGpu } from '../../tools/gpu-in-node.ts';
import { loadModel } from '../../tools/load-model.ts';
import { readGolden } from '../goldens/golden.ts';
import { openShallow, withTypes } from './shallow-model.ts';
import { expectClose } from './test-device.ts';

/* How a model gets onto a device, in the forms that weights may take there, and how it goes. */

const TIMEOUT = 240_000;
/** ms in which a lost device must have been noticed. */
const SECONDS = 10_000;

const PROMPT = readGolden('tiny').tokens.slice(0, 40);
const SHAPE = { contextTokens: 64, slotCount: 2, chunk: 32 };

/** Logits after a prompt and after a generated token, which do not depend on how fast subgroup matrices are. */
async function logitsOf(source: ModelSource, options: GpuDeviceOptions = {}) {
  const { model, close } = await loadModel(source, { ...SHAPE, subgroupMatrix: true, ...options });
  try {
    const slot = model.openSlot()!;
    await model.prefill(slot, PROMPT);
    const prompt = await model.logits(slot);
    await model.step([slot]);
    return { prompt, generated: await model.logits(slot) };
  } finally {
    close();
  }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error) => (error instanceof LapisError ? error.code : String(error)),
  );
}

/** Fails instead of waiting for ever. */
function soon<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('Nothing happened.')), SECONDS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

describe('weights', () => {
  test(
    'in parts, where a binding is too small for them, give the same bits',
    async () => {
      const source = await openShallow();
      const whole = await logitsOf(source);
      // 260 rows of 64 BF16: the embedding, which is the head too, comes in two parts, and nothing else.
      expect(await logitsOf(source, { maxBindingBytes: 260 * 128 + 256 })).toEqual(whole);
      // 100 rows: gate and up do not stand in one part either, so their product is taken by a kernel of its own.
      const parted = await logitsOf(source, { maxBindingBytes: 100 * 128 + 256 });
      expectClose(parted.prompt, whole.prompt, 1e-6);
      expectClose(parted.generated, whole.generated, 1e-6);
    },
    TIMEOUT,
  );

  test(
    'whose neighbours differ in type give what the same values of one type give',
    async () => {
      const source = await openShallow();
      const mixed = await logitsOf(
        withTypes(source, {
          'blk.0.ffn_gate.weight': ['Q8_0'],
          'blk.1.ffn_up.weight': ['Q5_0'],
          'blk.0.attn_v.weight': ['Q8_0'],
          'blk.1.attn_k.weight': ['Q4_0'],
        }),
      );
      const alike = await logitsOf(
        withTypes(source, {
          'blk.0.ffn_gate.weight': ['Q8_0', 'F32'],
          'blk.0.ffn_up.weight': ['F32'],
          'blk.1.ffn_gate.weight': ['F32'],
          'blk.1.ffn_up.weight': ['Q5_0', 'F32'],
          'blk.0.attn_q.weight': ['F32'],
          'blk.0.attn_k.weight': ['F32'],
          'blk.0.attn_v.weight': ['Q8_0', 'F32'],
          'blk.1.attn_q.weight': ['F32'],
          'blk.1.attn_k.weight': ['Q4_0', 'F32'],
          'blk.1.attn_v.weight': ['F32'],
        }),
      );
      expectClose(mixed.prompt, alike.prompt, 1e-5);
      expectClose(mixed.generated, alike.generated, 1e-5);
    },
    TIMEOUT,
  );
});

describe('compiling ahead', () => {
  test(
    'spares answers the wait: a drawn one at once, others a little later',
    async () => {
      const { gpu, close } = openNodeGpu();
      const device = await GpuDevice.open(gpu);
      const compiled = new Map<string, boolean>();
      const compile = device.device.createComputePipelineAsync.bind(device.device);
      device.device.createComputePipelineAsync = async (descriptor) => {
        const label = descriptor.label ?? '';
        compiled.set(label, false);
        const pipeline = await compile(descriptor);
        compiled.set(label, true);
        return pipeline;
      };
      const model = await Gemma3.load(device, await openShallow(), { ...SHAPE, slotCount: 8, compileAhead: true });
      const drawn = ['prepare', 'distances', 'gather', 'draw'].map((kernel) => compiled.get(`sample ${kernel}`));
      expect(drawn).toEqual([true, true, true, true]);
      // The last of all.
      while (!compiled.get('sample report')) await new Promise((resolve) => setTimeout(resolve, 50));
      const asked = [...compiled.keys()];
      device.device.createComputePipelineAsync = ({ label }) => Promise.reject(new Error(`${label} is compiled late.`));
      const slots = Array.from({ length: 8 }, () => model.openSlot()!);
      const mask = new Uint32Array(Math.ceil(model.config.vocabularySize / 32)).fill(0xffff_ffff);
      const sampling = { temperature: 1, topK: 64, topP: 0.95, repetitionPenalty: 1.1, logProbabilities: 2 };
      for (const slot of slots) {
        model.setSampler(slot, sampling, mask);
        await model.prefill(slot, PROMPT);
      }
      for (const count of [1, 2, 5, 8]) await model.step(slots.slice(0, count));
      expect([...compiled.keys()]).toEqual(asked);
      model.destroy();
      close();
    },
    TIMEOUT,
  );
});

describe('a load that fails', () => {
  async function failing(source: ModelSource, signal?: AbortSignal) {
    const { gpu, close } = openNodeGpu();
    const device = await GpuDevice.open(gpu);
    const code = await codeOf(Gemma3.load(device, source, { ...SHAPE, signal }));
    // Whatever was allocated is free, and the device goes.
    expect(device.bytes).toBe(0);
    await soon(device.lost);
    await device.device.lost;
    close();
    return code;
  }

  test(
    'because it was aborted says so, before it began or in its midst',
    async () => {
      const source = await openShallow();
      expect(await failing(source, AbortSignal.abort())).toBe('aborted');

      const controller = new AbortController();
      let chunks = 0;
      async function* weights(options?: Parameters<ModelSource['weights']>[0]) {
        for await (const chunk of source.weights(options)) {
          if (++chunks === 3) controller.abort();
          yield chunk;
        }
      }
      expect(await failing({ ...source, weights }, controller.signal)).toBe('aborted');
      expect(chunks).toBe(3);
    },
    TIMEOUT,
  );

  test(
    'because it was aborted while kernels compile does not wait for them, and lets the device go after them',
    async () => {
      const { gpu, close } = openNodeGpu();
      const device = await GpuDevice.open(gpu);
      const compile = device.device.createComputePipelineAsync.bind(device.device);
      let goOn = () => {};
      const held = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      device.device.createComputePipelineAsync = async (descriptor) => {
        if (descriptor.label === 'attention') await held;
        return compile(descriptor);
      };
      let destroyed = false;
      device.device.lost.then(() => {
        destroyed = true;
      });
      const controller = new AbortController();
      const loading = Gemma3.load(device, await openShallow(), { ...SHAPE, signal: controller.signal });
      // Long after the last of the weights.
      setTimeout(() => controller.abort(), 2000);
      expect(await soon(codeOf(loading))).toBe('aborted');
      expect(device.bytes).toBe(0);
      expect(destroyed).toBe(false);
      expect(await codeOf(device.pipeline('late', '', device.bindGroupLayout([])))).toBe('device-lost');
      goOn();
      await soon(device.device.lost);
      close();
    },
    TIMEOUT,
  );

  test(
    'because the source is damaged passes the reason on',
    async () => {
      const source = await openShallow();
      async function* weights() {
        for await (const chunk of source.weights()) {
          yield chunk;
          throw new LapisError('corrupt', 'The shard does not hash to what it should.');
        }
      }
      expect(await failing({ ...source, weights })).toBe('corrupt');
    },
    TIMEOUT,
  );
});

describe('a device that is lost', () => {
  test(
    'is noticed by `lost`, by a step on its way, and by everything asked for later',
    async () => {
      const { model, device, close } = await loadModel(await openShallow(), SHAPE);
      const slot = model.openSlot()!;
      const other = model.openSlot()!;
      await model.prefill(slot, PROMPT);
      // The news of the loss may come before that of the work: no rejection may go unheard meanwhile.
      const { queue } = device.device;
      queue.onSubmittedWorkDone = () => new Promise((resolve) => setTimeout(resolve, 200));
      const onTheirWay = [model.step([slot]), model.prefill(other, PROMPT)].map(codeOf);
      device.device.destroy();
      expect(await soon(model.lost)).toMatch(/./);
      expect(await soon(Promise.all(onTheirWay))).toEqual(['device-lost', 'device-lost']);
      expect(await soon(codeOf(model.step([slot])))).toBe('device-lost');
      expect(await soon(codeOf(model.prefill(other, [5, 6])))).toBe('device-lost');
      expect(await soon(codeOf(model.logits(other)))).toBe('device-lost');
      close();
    },
    TIMEOUT,
  );
});
