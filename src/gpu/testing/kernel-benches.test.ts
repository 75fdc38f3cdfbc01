import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestDevice } from '../../../tests/gpu/test-device.ts';
import type { GpuDevice } from '../device.ts';
import { BenchModel } from './bench-model.ts';
import { type BenchFigures, timeCase } from './kernel-bench.ts';
import { KERNEL_BENCHES } from './kernel-benches.ts';
import { smallModel } from './small-model.ts';

/** The matrix kernels of a GPU take a CPU adapter long to compile. */
const SETTINGS = process.env.LAPIS_LONG === '1' ? [{ naive: true }, { naive: false }] : [{ naive: true }];

describe.each(SETTINGS)('naive kernels: $naive', ({ naive }) => {
  let device: GpuDevice;
  let close: () => void;
  let model: BenchModel;

  beforeAll(async () => {
    ({ device, close } = await openTestDevice({ timestamps: true, naive }));
    model = await BenchModel.load(device, smallModel(), { contextTokens: 128, chunk: 16 });
  });
  afterAll(() => close());

  test.each(Object.entries(KERNEL_BENCHES))('%s can be timed', async (kernel, bench) => {
    const refused = device.lost.then((sentence) => Promise.reject(new Error(sentence)));
    refused.catch(() => {});
    let cases = 0;
    for await (const one of bench(model)) {
      cases++;
      const timing = timeCase(device, kernel, one, { runs: 1, runMs: 0, floorGBps: 1 });
      const figures = (await Promise.race([timing, refused])) as BenchFigures;
      expect(figures.ns, one.name).toBeGreaterThan(0);
      for (const figure of [figures.GBps, figures.GFLOPs]) if (figure !== undefined) expect(figure).toBeGreaterThan(0);
    }
    expect(cases).toBeGreaterThan(0);
  });

  test('a step that the plan no longer has is an error, not a time of nothing', async () => {
    const round = await model.generated(/^no such kernel/, 1, 0);
    const timing = timeCase(device, 'none', { name: 'none', round }, { runs: 1, runMs: 0, floorGBps: 1 });
    await expect(timing).rejects.toThrow('the plan no longer has a step of that name');
  });
});
