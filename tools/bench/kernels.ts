import { parseArgs } from 'node:util';
import { streamingReadGBps } from '../../src/gpu/bench/stream-read.ts';
import { GpuDevice } from '../../src/gpu/device.ts';
import { BenchModel } from '../../src/gpu/testing/bench-model.ts';
import { type BenchFigures, timeCase } from '../../src/gpu/testing/kernel-bench.ts';
import { KERNEL_BENCHES } from '../../src/gpu/testing/kernel-benches.ts';
import type { ModelSource } from '../../src/model/source.ts';
import { LapisError } from '../../src/protocol/errors.ts';
import type { Command } from '../command-line.ts';
import { openNodeGpu } from '../gpu-in-node.ts';
import { runProgram } from '../process.ts';
import { UsageError } from '../usage-error.ts';
import { syntheticModel } from './synthetic.ts';

const command: Command = {
  usage: `node kernels.mjs [KERNEL…] [--model gemma-3-1b-q4_k_m] [--without-subgroups] [--json]
  Times each kernel in a real model's shapes and types, in chains of dispatches by the GPU's own clock.
  KERNEL is ${Object.keys(KERNEL_BENCHES).join(', ')}.`,

  async run(args, { signal }) {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        model: { type: 'string', default: 'gemma-3-1b-q4_k_m' },
        'without-subgroups': { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    });
    const kernels = positionals.length > 0 ? positionals : Object.keys(KERNEL_BENCHES);
    const unknown = kernels.filter((name) => !Object.hasOwn(KERNEL_BENCHES, name));
    if (unknown.length > 0) throw new UsageError(`There is no kernel ${unknown.join(', ')}.`);
    const source = syntheticModel(values.model);

    const { gpu, close } = openNodeGpu();
    const device = await GpuDevice.open(gpu, { timestamps: true, withoutSubgroups: values['without-subgroups'] });
    const lost = device.lost.then((sentence): never => {
      throw new LapisError('device-lost', sentence);
    });
    // What is being measured may wait for ever for a device that is gone.
    await Promise.race([measure(device, source, kernels, { json: values.json, signal }), lost]);
    close();
  },
};

async function measure(
  device: GpuDevice,
  source: ModelSource,
  kernels: readonly string[],
  { json, signal }: { json: boolean; signal: AbortSignal },
): Promise<void> {
  const floorGBps = await streamingReadGBps(device, device.software ? 2 ** 25 : 2 ** 30);
  const model = await BenchModel.load(device, source, { contextTokens: 8192, chunk: 256 });
  const timing = device.software ? { runs: 1, runMs: 0, floorGBps } : { runs: 7, runMs: 10, floorGBps };
  const say = (text: string) => {
    if (!json) process.stdout.write(`${text}\n`);
  };
  const { description, architecture } = device.adapter;
  const clock = device.features.timestampQuery ? 'GPU' : 'wall';
  say(`${source.id} on ${description || architecture}, ${clock} clock, floor ${floorGBps.toFixed(1)} GB/s`);
  say(`features: ${device.featuresInUse.join(', ')}`);
  say(`${'µs'.padStart(10)} ${'GB/s'.padStart(9)} ${'of floor'.padStart(9)} ${'GFLOP/s'.padStart(9)}`);
  const all: BenchFigures[] = [];
  for (const kernel of kernels) {
    for await (const one of KERNEL_BENCHES[kernel](model)) {
      signal.throwIfAborted();
      const figures = await timeCase(device, kernel, one, timing);
      all.push(figures);
      say(line(figures));
    }
  }
  if (json) process.stdout.write(`${JSON.stringify({ adapter: device.adapter, floorGBps, kernels: all })}\n`);
}

function line({ kernel, name, dispatches, ns, GBps, GFLOPs, floorShare }: BenchFigures): string {
  const cell = (value: number | undefined, digits: number, unit = '') =>
    (value === undefined ? '' : `${value.toFixed(digits)}${unit}`).padStart(9);
  const share = floorShare === undefined ? undefined : 100 * floorShare;
  const count = dispatches > 1 ? ` (${dispatches} dispatches)` : '';
  return `${(ns / 1000).toFixed(3).padStart(10)} ${cell(GBps, 1)} ${cell(share, 1, ' %')} ${cell(GFLOPs, 0)}  ${kernel}: ${name}${count}`;
}

await runProgram('kernels', command);
