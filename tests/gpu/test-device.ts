import { expect } from 'vitest';
import { COPY_DST, COPY_SRC, GpuDevice, type GpuDeviceOptions, STORAGE } from '../../src/gpu/device.ts';
import { type Dispatch, encode } from '../../src/gpu/kernel.ts';
import { WeightUploader } from '../../src/gpu/kernels/repack/upload.ts';
import { createWeightMatrix } from '../../src/gpu/kernels/weights/weights.ts';
import { dequantize, quantize } from '../../src/model/codecs/registry.ts';
import type { TensorType } from '../../src/model/tensor.ts';
import { openNodeGpu } from '../../tools/gpu-in-node.ts';

/**
 * A device for a test file; close it in afterAll. Prompts run on subgroup matrices where it has them, whatever time they take: they have other
 * bits there, and the next load could choose otherwise.
 */
export async function openTestDevice(options: GpuDeviceOptions = {}) {
  const { gpu, close } = await openNodeGpu();
  const device = await GpuDevice.open(gpu, { subgroupMatrix: true, ...options });
  return {
    device,
    close() {
      device.destroy();
      close();
    },
  };
}

/** Whether this machine's GPU has the subgroup matrices that Lapis uses; says so where it has none, since tests are left out then. */
export async function hasSubgroupMatrix(): Promise<boolean> {
  const { device, close } = await openTestDevice();
  const { subgroupMatrix } = device.features;
  close();
  if (!subgroupMatrix) console.log('Skipped: tests on subgroup matrices, which this device does not have.');
  return subgroupMatrix;
}

/** A storage buffer with `data` in it. */
export function bufferWith(
  device: GpuDevice,
  label: string,
  data: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>,
) {
  const buffer = device.createBuffer(label, data.byteLength, STORAGE | COPY_DST | COPY_SRC);
  device.device.queue.writeBuffer(buffer, 0, data);
  return buffer;
}

/** A weight matrix of a type with `weights` in it, [rows][columns], and what they are once they are quantized. */
export async function matrixWith(device: GpuDevice, type: TensorType, columns: number, weights: Float32Array) {
  const matrix = createWeightMatrix(device, { label: type, type, rows: weights.length / columns, columns });
  const stored = quantize(type, weights);
  const uploader = await WeightUploader.create(device, [type]);
  await uploader.upload(matrix, 0, 0, stored);
  uploader.flush();
  return { matrix, quantized: dequantize(type, stored) };
}

/** Runs dispatches once and reads a buffer back as f32. */
export async function runAndRead(device: GpuDevice, dispatches: Dispatch[], buffer: GPUBuffer, count: number) {
  const encoder = device.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  encode(pass, dispatches);
  pass.end();
  device.device.queue.submit([encoder.finish()]);
  return new Float32Array(await device.read(buffer, count * 4));
}

/** ‖actual − expected‖ / ‖expected‖, NaN if any element is. */
export function relativeL2(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i]! - expected[i]!) ** 2;
    norm += expected[i]! ** 2;
  }
  return Math.sqrt(difference / norm);
}

export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  expect(relativeL2(actual, expected)).toBeLessThan(tolerance);
}

/** Seeded random numbers (mulberry32), so that a failure can be had again. */
export function randomSource(seed: number) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return {
    uniform,
    normal,
    normals: (count: number, scale = 1) => Float32Array.from({ length: count }, () => scale * normal()),
    bytes: (count: number) => Uint8Array.from({ length: count }, () => Math.floor(uniform() * 256)),
  };
}
