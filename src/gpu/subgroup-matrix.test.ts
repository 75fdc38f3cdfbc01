import { afterAll, beforeAll, expect, test } from 'vitest';
import { type NodeGpu, openNodeGpu } from '../../tools/gpu-in-node.ts';
import { TENSOR_TYPES, type TensorType } from '../model/tensor.ts';
import { SUBGROUP_MATRIX_FEATURES, SUBGROUP_MATRIX_STORAGE } from './adapter.ts';
import { GpuDevice, STORAGE, UNIFORM } from './device.ts';
import { kernelText } from './kernel-text.ts';
import matmulSubgroupMatrix from './kernels/matmul/matmul_subgroup_matrix.wgsl?raw';
import { createWeightMatrix } from './kernels/weights/weights.ts';
import { linear } from './linear.ts';

/*
 * On a back end of Dawn that knows subgroup matrices and computes nothing: the kernel on them is right WGSL for every type and tile. What it computes is
 * tested where a GPU has them (linear.test.ts, the goldens).
 */

const PRODUCTS = [
  { rows: 40, splits: 1, gated: false, stacked: 1 },
  { rows: 40, splits: 4, gated: false, stacked: 2 },
  { rows: 8200, splits: 1, gated: true, stacked: 2 },
];

let node: NodeGpu;
let compiler: GPUDevice;
let device: GpuDevice;

beforeAll(async () => {
  node = openNodeGpu({ backend: 'null', dawnFeatures: ['allow_unsafe_apis'], note: () => undefined });
  const adapter = await node.gpu.requestAdapter();
  compiler = await adapter!.requestDevice({ requiredFeatures: ['subgroups', ...SUBGROUP_MATRIX_FEATURES] });
  device = await GpuDevice.open(node.gpu, { naive: false });
  device.features.subgroupMatrix = true;
});
afterAll(() => {
  compiler.destroy();
  device.destroy();
  node.close();
});

test('the workgroup memory that a device must have is what the kernel takes', () => {
  const stride = Number(/const STRIDE = (\d+)u;/.exec(matmulSubgroupMatrix)?.[1]);
  const quads = 2 * (64 + 128) * stride;
  const sums = 8 * 256;
  expect(matmulSubgroupMatrix.match(/var<workgroup>.*/g)).toEqual([
    'var<workgroup> x_high: array<vec4<f16>, TILE_M * STRIDE>;',
    'var<workgroup> x_low: array<vec4<f16>, TILE_M * STRIDE>;',
    'var<workgroup> w_high: array<vec4<f16>, TILE_N * STRIDE>;',
    'var<workgroup> w_low: array<vec4<f16>, TILE_N * STRIDE>;',
    'var<workgroup> passed: array<f32, 8u * 256u>;',
  ]);
  expect(SUBGROUP_MATRIX_STORAGE).toBe(quads * 8 + sums * 4);
});

test.each(Object.keys(TENSOR_TYPES) as TensorType[])('products of %s on subgroup matrices compile', async (type) => {
  const columns = 256;
  const buffer = device.createBuffer('any', 16, STORAGE | UNIFORM);
  for (const { rows, splits, gated, stacked } of PRODUCTS) {
    const matrix = createWeightMatrix(device, { label: 'test', type, rows, columns });
    const operands = { matrix, batch: buffer, input: buffer, output: buffer, outputStride: rows, splits, gated };
    const [step] = linear(device, { kind: 'prompt' }, operands);
    expect(step!.kernel.constants).toMatchObject({ TILE_N: 64 * stacked, STACKED: stacked });
    const code = kernelText(step!.kernel);
    expect(code).toMatch(/^enable subgroups, f16, chromium_experimental_subgroup_matrix;/);
    const { messages } = await compiler.createShaderModule({ code }).getCompilationInfo();
    expect(messages.map(({ message }) => message)).toEqual([]);
  }
});
