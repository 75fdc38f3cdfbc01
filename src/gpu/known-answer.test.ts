import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestDevice } from '../../tests/gpu/test-device.ts';
import { LapisError } from '../protocol/errors.ts';
import type { GpuDevice } from './device.ts';
import matmul from './kernels/matmul/matmul.wgsl?raw';
import { chooseKernels } from './known-answer.ts';

/** One for all, which keeps what it compiled. Opened without subgroup matrices, so that its compiler refuses them on every GPU. */
let device: GpuDevice;
let close: () => void;
beforeAll(async () => ({ device, close } = await openTestDevice({ naive: false, subgroupMatrix: false })));
afterAll(() => close());

/** Lets the device choose, with some of its methods replaced. */
async function chooseWith(
  fakes: Partial<Pick<GpuDevice, 'pipeline' | 'idle' | 'read'>>,
  subgroupMatrix = false,
  signal?: AbortSignal,
) {
  const { bytes, features } = device;
  Object.assign(features, { naive: false, sharedBindGroups: true, subgroupMatrix });
  Object.assign(device, fakes);
  try {
    const notice = await chooseKernels(device, signal);
    expect(device.bytes).toBe(bytes);
    const { naive, sharedBindGroups } = features;
    return { notice, naive, sharedBindGroups, subgroupMatrix: features.subgroupMatrix };
  } finally {
    for (const name of Object.keys(fakes)) Reflect.deleteProperty(device, name);
  }
}

test('right kernels stay', async () => {
  const chosen = await chooseWith({});
  expect(chosen).toEqual({ notice: undefined, naive: false, sharedBindGroups: true, subgroupMatrix: false });
});

test('wrong kernels give way to the naive ones, with a sentence', async () => {
  const { notice, naive } = await chooseWith({ read: async (_, bytes) => new ArrayBuffer(bytes) });
  expect(notice).toMatch(/failed their known-answer test \(prompt rows: 0 instead of -?[\d.]+\)/);
  expect(naive).toBe(true);
});

test('kernels that are wrong through shared views alone stay, with bind groups of their own', async () => {
  const read = device.read.bind(device);
  const chosen = await chooseWith({
    read: async (buffer, bytes, offset) => (offset ? new ArrayBuffer(bytes) : read(buffer, bytes)),
  });
  expect(chosen).toMatchObject({ notice: undefined, naive: false, sharedBindGroups: false });
});

test('kernels that do not compile in pairs stay, each in a pipeline of its own', async () => {
  const labels: string[] = [];
  const pipeline = device.pipeline.bind(device);
  const chosen = await chooseWith({
    pipeline: (label, ...others) => {
      labels.push(label);
      return label.includes(' or ') ? Promise.reject(new LapisError('internal', label)) : pipeline(label, ...others);
    },
  });
  expect(chosen).toMatchObject({ notice: undefined, naive: false, sharedBindGroups: true });
  expect(labels).toContain('matvec F32 or matvec F32');
});

describe('products on subgroup matrices', () => {
  const NOTHING = '@compute @workgroup_size(1) fn main() {}';
  /** What matmul_subgroup_matrix.wgsl computes, for devices without subgroup matrices. */
  const withoutMatrices = (code: string) => code.replace(/^enable .*/, '').split('alias Left')[0] + matmul;

  interface Fakes {
    /** In place of the text of a product on matrices. */
    kernelFor?: (code: string) => string;
    /** What a product on matrices takes, ms; others take 10. */
    ms?: number;
    /** Whether the kernel that is timed compiles on matrices. */
    compiles?: boolean;
    /** So many products are read back as they are, and zeros for others. */
    rightReads?: number;
  }

  async function choose({ kernelFor = withoutMatrices, ms = 1, compiles = true, rightReads = 1000 }: Fakes) {
    let [asked, turns, reads] = [0, 0, 0];
    const pipeline = device.pipeline.bind(device);
    const read = device.read.bind(device);
    const fakes: Parameters<typeof chooseWith>[0] = {
      pipeline: (label, code, layout) => {
        const onMatrices = code.includes('subgroup_matrix_left');
        if (onMatrices) asked++;
        if (label !== 'matmul Q4_0') return pipeline(label, onMatrices ? kernelFor(code) : code, layout);
        if (onMatrices && !compiles) return Promise.reject(new LapisError('internal', label));
        return pipeline(label, NOTHING, layout);
      },
      idle: () => new Promise((resolve) => setTimeout(resolve, turns++ % 2 === 0 ? ms : 10)),
      read: async (buffer, bytes, offset) =>
        reads++ < rightReads ? read(buffer, bytes, offset) : new ArrayBuffer(bytes),
    };
    const { notice, naive, subgroupMatrix } = await chooseWith(fakes, true);
    return { notice, asked, turns, naive, subgroupMatrix };
  }

  test('stay where they are right and faster', async () => {
    expect(await choose({})).toEqual({ notice: undefined, asked: 4, turns: 8, naive: false, subgroupMatrix: true });
  });

  test.each([
    { ms: 15, turns: 8 },
    { ms: 70, turns: 2 },
  ])('give way to tiles where they are slower ($ms ms for 10)', async ({ ms, turns }) => {
    const chosen = await choose({ ms });
    expect(chosen).toEqual({ notice: undefined, asked: 3, turns, naive: false, subgroupMatrix: false });
  });

  test.each([
    { fault: 'compute nothing', kernelFor: () => NOTHING },
    {
      fault: 'have the bits of one f16',
      kernelFor: (code: string) =>
        withoutMatrices(code).replace(
          '= next_w[q]',
          '= bitcast<vec4f>(bitcast<vec4u>(next_w[q]) & vec4u(0xffffe000u))',
        ),
    },
    {
      fault: 'take small numbers for nothing',
      kernelFor: (code: string) =>
        withoutMatrices(code).replace('= next_x;', '= select(next_x, vec4f(), abs(next_x) < vec4f(0x1p-8f));'),
    },
    {
      fault: 'are wrong in wide tiles alone',
      kernelFor: (code: string) => (code.includes('const TILE_N: u32 = 128u') ? NOTHING : withoutMatrices(code)),
      asked: 2,
    },
  ])('give way to tiles where they $fault', async ({ kernelFor, asked = 1 }) => {
    const wide = 'const TILE_N: u32 = 128u; alias Left';
    expect(kernelFor(wide)).not.toBe(withoutMatrices(wide));
    const chosen = await choose({ kernelFor });
    expect(chosen).toEqual({ notice: undefined, asked, turns: 0, naive: false, subgroupMatrix: false });
  });

  test('give way to tiles where they compile for small products alone', async () => {
    const chosen = await choose({ compiles: false });
    expect(chosen).toEqual({ notice: undefined, asked: 3, turns: 0, naive: false, subgroupMatrix: false });
  });

  test('are not used beside naive kernels', async () => {
    const { notice, ...chosen } = await choose({ rightReads: 3 });
    expect(notice).toMatch(/generated rows: 0 instead of/);
    expect(chosen).toEqual({ asked: 4, turns: 8, naive: true, subgroupMatrix: false });
  });

  test('that a compiler refuses leave the device as it was', async () => {
    expect(await chooseWith({}, true)).toMatchObject({ notice: undefined, naive: false, subgroupMatrix: false });
    await device.idle();
    expect(await Promise.race([device.lost, new Promise((resolve) => setTimeout(resolve, 50, 'there'))])).toBe('there');
  });

  test('are not waited for once the load is cancelled', async () => {
    const stop = new AbortController();
    const pipeline = () => {
      stop.abort(new LapisError('aborted', 'Enough.'));
      return Promise.reject(new LapisError('internal', 'No kernel.'));
    };
    await expect(chooseWith({ pipeline }, true, stop.signal)).rejects.toThrow('Enough.');
  });
});
