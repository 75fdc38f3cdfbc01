import { afterAll, beforeAll, expect, test } from 'vitest';
import { GpuDevice } from '../../src/gpu/device.ts';
import { encode } from '../../src/gpu/kernel.ts';
import { BenchModel } from '../../src/gpu/testing/bench-model.ts';
import type { Gemma3Config } from '../../src/model/config.ts';
import { expectedTensors, OUTPUT_TENSOR } from '../../src/model/gemma3-tensors.ts';
import { isNorm } from '../../src/model/norm.ts';
import { WEIGHTS_SCHEMA_VERSION } from '../../src/model/schema-version.ts';
import type { ModelSource } from '../../src/model/source.ts';
import type { TensorType } from '../../src/model/tensor.ts';
import { NO_TOKENIZER } from '../../tools/bench/synthetic.ts';
import { type NodeGpu, openNodeGpu } from '../../tools/gpu-in-node.ts';

/*
 * Every plan within WebGPU's default limits (8 storage buffers a kernel, 128 MiB a binding, 16 KiB of workgroup memory), on a back end of Dawn
 * that checks and computes nothing: kernels compile, and no dispatch breaks a rule, such as one buffer being read and written in it.
 */

const TIMEOUT = 120_000;

const LAYERS = {
  layerCount: 2,
  headDim: 256,
  vocabularySize: 1024,
  contextLength: 131_072,
  rmsNormEpsilon: 1e-6,
  queryScale: 256 ** -0.5,
  slidingWindow: 512,
  slidingWindowPattern: 2,
  ropeThetaGlobal: 1_000_000,
  ropeThetaLocal: 10_000,
  ropeScaleGlobal: 1,
};
/** Two layers of each size (the model cards' config.json). */
const SIZES: Record<string, Gemma3Config> = {
  '270M': { ...LAYERS, hiddenSize: 640, feedForwardSize: 2048, headCount: 4, kvHeadCount: 1 },
  '1B': { ...LAYERS, hiddenSize: 1152, feedForwardSize: 6912, headCount: 4, kvHeadCount: 1 },
  '4B': { ...LAYERS, hiddenSize: 2560, feedForwardSize: 10_240, headCount: 8, kvHeadCount: 4 },
  '12B': { ...LAYERS, hiddenSize: 3840, feedForwardSize: 15_360, headCount: 16, kvHeadCount: 8 },
};

interface Case {
  size: string;
  type: TensorType;
  /** Other types, by what tensors' names contain. */
  but?: Record<string, TensorType>;
  untied?: true;
  naive?: true;
  withoutSubgroups?: true;
  maxBindingBytes?: number;
  /** As where kernels fail through views. */
  withoutViews?: true;
  /** Whether the layers of a row alone share their bind groups. */
  shares: boolean;
  /** Of their steps, how many stand in a pipeline with the step before; by default the product behind the output projection, where they share. */
  pairs?: number;
}

const CASES: Case[] = [
  { size: '270M', type: 'F32', shares: true },
  { size: '270M', type: 'BF16', shares: true },
  { size: '270M', type: 'Q8_0', shares: true },
  { size: '270M', type: 'Q4_0', naive: true, shares: false },
  { size: '270M', type: 'Q4_0', maxBindingBytes: 1_500_000, shares: false },
  { size: '270M', type: 'Q4_0', withoutViews: true, shares: false },
  { size: '270M', type: 'Q5_1', but: { attn_q: 'Q8_0', attn_k: 'Q4_0', attn_v: 'F16' }, shares: true, pairs: 4 },
  { size: '270M', type: 'Q4_0', but: { ffn_gate: 'Q8_0' }, shares: false },
  { size: '270M', type: 'Q4_0', but: { [OUTPUT_TENSOR]: 'F32' }, untied: true, shares: true },
  { size: '1B', type: 'Q5_0', but: { attn_v: 'Q8_0', token_embd: 'Q8_0' }, shares: true },
  { size: '1B', type: 'Q4_0', withoutSubgroups: true, shares: true, pairs: 0 },
  { size: '4B', type: 'Q4_K', shares: true, pairs: 0 },
  { size: '4B', type: 'Q4_K', but: { ffn_down: 'Q6_K', token_embd: 'Q8_0' }, shares: true, pairs: 0 },
  { size: '4B', type: 'Q4_K', but: { attn_v: 'Q6_K', ffn_down: 'Q6_K' }, shares: true, pairs: 0 },
  // A head that norms its input itself beside the four ranges of Q6_K would take nine storage buffers.
  { size: '4B', type: 'Q4_0', but: { token_embd: 'Q6_K' }, shares: true, pairs: 0 },
  { size: '4B', type: 'Q8_0', but: { [OUTPUT_TENSOR]: 'Q6_K' }, untied: true, shares: true, pairs: 0 },
  { size: '12B', type: 'Q4_0', shares: false },
];

function modelOf({ size, type, but = {}, untied }: Case): ModelSource {
  const config = SIZES[size]!;
  const names = (name: string, part: string) => name === part || (part !== OUTPUT_TENSOR && name.includes(part));
  const typeOf = (name: string) => Object.entries(but).find(([part]) => names(name, part))?.[1] ?? type;
  const shapes = new Map(expectedTensors(config));
  if (untied) shapes.set(OUTPUT_TENSOR, [config.vocabularySize, config.hiddenSize]);
  return {
    id: size,
    schemaVersion: WEIGHTS_SCHEMA_VERSION,
    config,
    tokenizer: NO_TOKENIZER,
    tensors: [...shapes].map(([name, shape]) => ({ name, type: isNorm(name) ? 'F32' : typeOf(name), shape, bytes: 0 })),
    normSource: 'w',
    async *weights() {},
  };
}

let node: NodeGpu;
beforeAll(() => {
  node = openNodeGpu({ backend: 'null', note: () => undefined });
});
afterAll(() => node.close());

function nameOf({ size, type, but = {}, shares: _, pairs: __, ...settings }: Case): string {
  const types = Object.entries(but).map(([part, other]) => `${part} ${other}`);
  return [`${size} ${type}`, ...types, ...Object.keys(settings)].join(', ');
}

test.each(CASES.map((one) => ({ name: nameOf(one), one })))(
  '$name',
  async ({ one }) => {
    const { naive = false, withoutSubgroups, maxBindingBytes, withoutViews, shares, pairs = shares ? 2 : 0 } = one;
    const device = await GpuDevice.open(node.gpu, { naive, withoutSubgroups, maxBindingBytes });
    expect(device.device.limits.maxStorageBuffersPerShaderStage).toBe(8);
    device.features.sharedBindGroups = !withoutViews;
    const broken: string[] = [];
    device.device.addEventListener('uncapturederror', ({ error }) => broken.push(error.message));
    try {
      const model = await BenchModel.load(device, modelOf(one), { contextTokens: 1024, chunk: 64 });
      const run = (dispatches: Parameters<typeof encode>[1]) => {
        const encoder = device.device.createCommandEncoder();
        const pass = encoder.beginComputePass();
        encode(pass, dispatches);
        pass.end();
        device.device.queue.submit([encoder.finish()]);
      };
      const alone = await model.generated(/./, 1, 70);
      const layers = await model.generated(/blk|attention/, 1, 70);
      expect(layers.length).toBeGreaterThanOrEqual(10);
      expect(new Set(layers.map(({ bindGroup }) => bindGroup)).size).toBe(shares ? 2 : layers.length);
      const paired = layers.filter(({ pipeline }, index) => pipeline === layers[index - 1]?.pipeline);
      expect(paired).toHaveLength(pairs);
      run(alone);
      run(await model.generated(/./, 2, 70));
      run(await model.prompt(/./, 16, 70));
      await device.idle();
      expect(broken).toEqual([]);
    } finally {
      device.destroy();
    }
  },
  TIMEOUT,
);
