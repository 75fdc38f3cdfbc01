import { describe, expect, test } from 'vitest';
import { LapisError } from '../protocol/errors.ts';
import { GpuDevice, type GpuDeviceOptions } from './device.ts';

const LIMITS = {
  maxBufferSize: 2 ** 28,
  maxStorageBufferBindingSize: 2 ** 27,
  maxStorageBuffersPerShaderStage: 8,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupStorageSize: 16 * 1024,
};

/** A `navigator.gpu` that gives no adapter for the first `nulls` requests. `asked` counts all of them. */
function fakeGpu(nulls: number, limits = LIMITS, more: { info?: object; features?: string[] } = {}) {
  const info = {
    vendor: 'example',
    architecture: 'test-1',
    device: 'example-card-3',
    description: 'Driver 1.2',
    subgroupMinSize: 32,
    ...more.info,
  };
  const requestDevice = async ({ requiredFeatures }: GPUDeviceDescriptor) => ({
    limits,
    lost: new Promise(() => {}),
    addEventListener() {},
    features: new Set(requiredFeatures),
  });
  const adapter = { limits, info, features: new Set(more.features), requestDevice };
  const fake = {
    asked: 0,
    async requestAdapter() {
      fake.asked += 1;
      return fake.asked > nulls ? adapter : null;
    },
  };
  return { fake, gpu: fake as unknown as GPU };
}

const failure = (opening: Promise<unknown>): Promise<LapisError> =>
  opening.then(() => {
    throw new Error('It opened.');
  }, LapisError.from);

describe('a device', () => {
  test('is asked for again while a browser that starts has no adapter', async () => {
    const { fake, gpu } = fakeGpu(2);
    const device = await GpuDevice.open(gpu);
    expect(device.adapter).toEqual({
      vendor: 'example',
      architecture: 'test-1',
      description: 'Driver 1.2 (example-card-3)',
    });
    expect(fake.asked).toBe(3);
  });

  test('is given up after the patience, with a sentence', async () => {
    const { fake, gpu } = fakeGpu(Number.POSITIVE_INFINITY);
    const { code, message } = await failure(GpuDevice.open(gpu, { adapterPatienceMs: 300 }));
    expect(code).toBe('no-gpu');
    expect(message).toBe('WebGPU found no adapter: the GPU is blocked, its driver is too old, or there is none.');
    expect(fake.asked).toBeGreaterThan(1);
  });

  test('is waited for no longer than the caller wants', async () => {
    const { fake, gpu } = fakeGpu(Number.POSITIVE_INFINITY);
    const stop = new AbortController();
    const opening = failure(GpuDevice.open(gpu, { signal: stop.signal, adapterPatienceMs: 60_000 }));
    stop.abort();
    expect((await opening).code).toBe('aborted');
    expect(fake.asked).toBe(1);
  });

  test('is refused, by the name of the limit, where the adapter has too little', async () => {
    const { gpu } = fakeGpu(0, { ...LIMITS, maxComputeInvocationsPerWorkgroup: 128 });
    const { code, message } = await failure(GpuDevice.open(gpu));
    expect(code).toBe('no-gpu');
    expect(message).toBe("The GPU's maxComputeInvocationsPerWorkgroup is 128; Lapis needs 256.");
  });

  test('is not to be had without WebGPU', async () => {
    expect(await failure(GpuDevice.open(undefined))).toMatchObject({
      code: 'no-gpu',
      message: 'This browser has no WebGPU.',
    });
  });
});

describe('subgroup matrices', () => {
  const FEATURES = ['subgroups', 'shader-f16', 'chromium-experimental-subgroup-matrix'];
  const CONFIG = { componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16 };
  const INFO = { subgroupMaxSize: 32, subgroupMatrixConfigs: [{ ...CONFIG, M: 8 }, CONFIG] };
  const STORAGE = { ...LIMITS, maxComputeWorkgroupStorageSize: 48 * 1024 };

  const open = (info: object, features: string[], limits = STORAGE, options: GpuDeviceOptions = {}) =>
    GpuDevice.open(fakeGpu(0, limits, { info, features }).gpu, options);

  test('are asked for and used where the adapter has what the kernel is written for', async () => {
    const device = await open(INFO, FEATURES);
    expect(device.features.subgroupMatrix).toBe(true);
    expect(device.featuresInUse).toEqual(FEATURES.toSorted());
    device.features.subgroupMatrix = false;
    expect(device.featuresInUse).toEqual(['subgroups']);
  });

  test.each([
    { missing: 'a feature', info: INFO, features: FEATURES.slice(0, 2) },
    { missing: 'f16', info: INFO, features: ['subgroups', FEATURES[2]!] },
    { missing: 'the size', info: { ...INFO, subgroupMatrixConfigs: [{ ...CONFIG, M: 8 }] }, features: FEATURES },
    {
      missing: 'sums in f32',
      info: { ...INFO, subgroupMatrixConfigs: [{ ...CONFIG, resultComponentType: 'f16' }] },
      features: FEATURES,
    },
    { missing: 'the list of sizes', info: { subgroupMaxSize: 32 }, features: FEATURES },
    { missing: 'subgroups of one size', info: { ...INFO, subgroupMaxSize: 64 }, features: FEATURES },
    {
      missing: 'memory',
      info: INFO,
      features: FEATURES,
      limits: { ...STORAGE, maxComputeWorkgroupStorageSize: 32_768 },
    },
    { missing: 'leave', info: INFO, features: FEATURES, options: { subgroupMatrix: false } },
    { missing: 'subgroups', info: INFO, features: FEATURES, options: { withoutSubgroups: true } },
    { missing: 'a GPU', info: { ...INFO, isFallbackAdapter: true }, features: FEATURES },
  ])('are left alone without $missing', async ({ info, features, limits, options }) => {
    const device = await open(info, features, limits, options);
    expect(device.features.subgroupMatrix).toBe(false);
    expect(device.device.features).not.toContain('chromium-experimental-subgroup-matrix');
  });
});
