import { parseArgs } from 'node:util';
import { streamingReadGBps } from '../../src/gpu/bench/stream-read.ts';
import { GpuDevice } from '../../src/gpu/device.ts';
import { BenchModel } from '../../src/gpu/testing/bench-model.ts';
import { type BenchFigures, timeCase } from '../../src/gpu/testing/kernel-bench.ts';
import { KERNEL_BENCHES } from '../../src/gpu/testing/kernel-benches.ts';
import { openNodeGpu } from '../gpu-in-node.ts';
import { syntheticModel } from './synthetic.ts';

/*
 * Times each kernel in a real model's shapes and types, in chains of dispatches by the GPU's own clock:
 *
 *   npx tsx --import ./tools/wgsl-loader.mjs tools/bench/kernels.ts [KERNEL…] [--model gemma-3-1b-q4_k_m] [--json]
 *   node build/kernels.mjs [KERNEL…]                                  the same, after npm run build:tools
 */

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string', default: 'gemma-3-1b-q4_k_m' },
    'without-subgroups': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const kernels = positionals.length > 0 ? positionals : Object.keys(KERNEL_BENCHES);
const unknown = kernels.filter((name) => !KERNEL_BENCHES[name]);
if (unknown.length > 0) {
  process.stderr.write(
    `There is no kernel ${unknown.join(', ')}; there are ${Object.keys(KERNEL_BENCHES).join(', ')}.\n`,
  );
  process.exit(2);
}

const { gpu, close } = openNodeGpu();
const device = await GpuDevice.open(gpu, { timestamps: true, withoutSubgroups: values['without-subgroups'] });
device.lost.then((sentence) => {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
});
const floorGBps = await streamingReadGBps(device, device.software ? 2 ** 25 : 2 ** 30);
const model = await BenchModel.load(device, syntheticModel(values.model), { contextTokens: 8192, chunk: 256 });
const timing = device.software ? { runs: 1, runMs: 0, floorGBps } : { runs: 7, runMs: 10, floorGBps };

const { description, architecture } = device.adapter;
if (!values.json) {
  const clock = device.features.timestampQuery ? 'GPU' : 'wall';
  process.stdout.write(
    `${values.model} on ${description || architecture}, ${clock} clock, floor ${floorGBps.toFixed(1)} GB/s\n`,
  );
  process.stdout.write(
    `${'µs'.padStart(10)} ${'GB/s'.padStart(9)} ${'of floor'.padStart(9)} ${'GFLOP/s'.padStart(9)}\n`,
  );
}
const all: BenchFigures[] = [];
for (const kernel of kernels) {
  for await (const one of KERNEL_BENCHES[kernel](model)) {
    const figures = await timeCase(device, kernel, one, timing);
    all.push(figures);
    if (!values.json) process.stdout.write(`${line(figures)}\n`);
  }
}
if (values.json) process.stdout.write(`${JSON.stringify({ adapter: device.adapter, floorGBps, kernels: all })}\n`);
close();
process.exit(0);

function line({ kernel, name, dispatches, ns, GBps, GFLOPs, floorShare }: BenchFigures): string {
  const cell = (value: number | undefined, digits: number, unit = '') =>
    (value === undefined ? '' : `${value.toFixed(digits)}${unit}`).padStart(9);
  const share = floorShare === undefined ? undefined : 100 * floorShare;
  const count = dispatches > 1 ? ` (${dispatches} dispatches)` : '';
  return `${(ns / 1000).toFixed(3).padStart(10)} ${cell(GBps, 1)} ${cell(share, 1, ' %')} ${cell(GFLOPs, 0)}  ${kernel}: ${name}${count}`;
}
