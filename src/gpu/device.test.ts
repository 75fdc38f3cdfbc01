import { describe, expect, test } from 'vitest';
import { LapisError } from '../protocol/errors.ts';
import { GpuDevice } from './device.ts';

const LIMITS = {
  maxBufferSize: 2 ** 28,
  maxStorageBufferBindingSize: 2 ** 27,
  maxStorageBuffersPerShaderStage: 8,
  maxComputeInvocationsPerWorkgroup: 256,
};

/** A `navigator.gpu` that gives no adapter for the first `nulls` requests. `asked` counts all of them. */
function fakeGpu(nulls: number, limits = LIMITS) {
  const device = { limits, lost: new Promise(() => {}), addEventListener() {} };
  const info = {
    vendor: 'example',
    architecture: 'test-1',
    device: 'example-card-3',
    description: 'Driver 1.2',
    subgroupMinSize: 32,
  };
  const adapter = { limits, info, features: new Set(), requestDevice: async () => device };
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
