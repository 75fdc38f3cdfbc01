import { describe, expect, test } from 'vitest';
import { openTestDevice } from '../../tests/gpu/test-device.ts';
import { LapisError } from '../protocol/errors.ts';
import matmul from './kernels/matmul/matmul.wgsl?raw';
import { chooseKernels } from './known-answer.ts';

test('right kernels stay, wrong ones give way to the naive ones, with a sentence', async () => {
  const { device, close } = await openTestDevice({ naive: false });
  try {
    expect(await chooseKernels(device)).toBeUndefined();
    expect(device.features).toMatchObject({ naive: false, sharedBindGroups: true });

    device.read = async (_, bytes) => new ArrayBuffer(bytes);
    expect(await chooseKernels(device)).toMatch(/failed their known-answer test \(prompt rows: 0 instead of -?[\d.]+\)/);
    expect(device.features.naive).toBe(true);
  } finally {
    close();
  }
});

test('kernels that are wrong through shared views alone stay, with bind groups of their own', async () => {
  const { device, close } = await openTestDevice({ naive: false });
  try {
    const read = device.read.bind(device);
    device.read = async (buffer, bytes, offset) => (offset ? new ArrayBuffer(bytes) : read(buffer, bytes));
    expect(await chooseKernels(device)).toBeUndefined();
    expect(device.features).toMatchObject({ naive: false, sharedBindGroups: false });
  } finally {
    close();
  }
});

test('kernels that do not compile in pairs stay, each in a pipeline of its own', async () => {
  const { device, close } = await openTestDevice({ naive: false });
  try {
    const labels: string[] = [];
    const pipeline = device.pipeline.bind(device);
    device.pipeline = (label, ...others) => {
      labels.push(label);
      return label.includes(' or ') ? Promise.reject(new LapisError('internal', label)) : pipeline(label, ...others);
    };
    expect(await chooseKernels(device)).toBeUndefined();
    expect(device.features).toMatchObject({ naive: false, sharedBindGroups: true });
    expect(labels).toContain('matvec F32 or matvec F32');
  } finally {
    close();
  }
});

describe('products on subgroup matrices', () => {
  const NOTHING = '@compute @workgroup_size(1) fn main() {}';
  /** What matmul_subgroup_matrix.wgsl computes, for devices without subgroup matrices. */
  const withoutMatrices = (code: string) => code.replace(/^enable .*/, '').split('alias Left')[0] + matmul;

  /** Asks a device that takes other kernels for them, and that takes `ms` for a product on them and 20 for any other. */
  async function choose(kernelFor: (code: string) => string, ms: number) {
    const { device, close } = await openTestDevice({ naive: false });
    try {
      device.features.subgroupMatrix = true;
      const pipeline = device.pipeline.bind(device);
      let asked = 0;
      device.pipeline = (label, code, layout) => {
        const onMatrices = code.includes('subgroup_matrix_left');
        if (onMatrices) asked++;
        const timed = label === 'matmul Q4_0';
        return pipeline(label, timed ? NOTHING : onMatrices ? kernelFor(code) : code, layout);
      };
      let turn = 0;
      device.idle = () => new Promise((resolve) => setTimeout(resolve, turn++ % 2 === 0 ? ms : 20));
      const notice = await chooseKernels(device);
      const { naive, subgroupMatrix } = device.features;
      return { notice, asked, timed: turn > 0, naive, subgroupMatrix };
    } finally {
      close();
    }
  }

  test('stay where they are right and faster', async () => {
    const chosen = await choose(withoutMatrices, 1);
    expect(chosen).toEqual({ notice: undefined, asked: 3, timed: true, naive: false, subgroupMatrix: true });
  });

  test('give way to tiles where they are slower', async () => {
    const chosen = await choose(withoutMatrices, 40);
    expect(chosen).toEqual({ notice: undefined, asked: 2, timed: true, naive: false, subgroupMatrix: false });
  });

  test('give way to tiles where they are wrong, or right to the bits of an f16 alone', async () => {
    const shortened = (code: string) =>
      withoutMatrices(code).replace(
        'next_w[q];',
        'bitcast<vec4<f32>>(bitcast<vec4<u32>>(next_w[q]) & vec4<u32>(0xffffe000u));',
      );
    for (const kernelFor of [() => NOTHING, shortened]) {
      const chosen = await choose(kernelFor, 1);
      expect(chosen).toEqual({ notice: undefined, asked: 1, timed: false, naive: false, subgroupMatrix: false });
    }
  });
});
