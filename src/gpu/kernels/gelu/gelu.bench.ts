import { COPY_DST, STORAGE, UNIFORM } from '../../device.ts';
import { Kernel } from '../../kernel.ts';
import type { KernelBench } from '../../testing/kernel-bench.ts';
import gelu from './gelu.wgsl?raw';
import geluMul from './gelu_mul.wgsl?raw';

/** gelu(gate)·up where a matrix product does not do it itself: gate and up of different types. */
export const bench: KernelBench = async function* ({ device, config, chunk }) {
  const outputs = config.feedForwardSize;
  const params = device.createBuffer('params', 16, UNIFORM | COPY_DST);
  device.device.queue.writeBuffer(params, 0, new Uint32Array([outputs]));
  const input = device.createBuffer('gate and up', chunk * outputs * 8, STORAGE);
  const output = device.createBuffer('gated', chunk * outputs * 4, STORAGE);
  const kernel = await Kernel.compile(device, { label: 'gelu mul', parts: [gelu, geluMul] });
  for (const rows of [1, chunk]) {
    yield {
      name: `${rows} rows`,
      round: [kernel.bind([[params, input, output]], [Math.ceil(outputs / 256), rows])],
      bytes: rows * outputs * 8,
    };
  }
};
