import { COPY_DST, type GpuDevice, STORAGE } from '../../src/gpu/device.ts';
import { encode, Kernel } from '../../src/gpu/kernel.ts';
import streamRead from './stream_read.wgsl?raw';

/** Memory bandwidth of a plain streaming read, GB/s: the floor that decoding is held against. Best of five runs. */
export async function streamingReadGBps(device: GpuDevice): Promise<number> {
  const bytes = Math.min(device.software ? 64 * 2 ** 20 : 2 ** 30, device.maxBindingBytes);
  const count = Math.floor(bytes / 16);
  const groups = 4096;
  const kernel = await Kernel.compile(device, {
    label: 'stream read',
    constants: { GROUPS: groups, COUNT: count },
    parts: [streamRead],
  });
  const source = device.createBuffer('stream read', bytes, STORAGE | COPY_DST);
  const sums = device.createBuffer('stream read sums', 16, STORAGE);
  const dispatch = kernel.bind([[source, sums]], [groups]);
  const repeats = device.software ? 1 : 10;
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 6; run++) {
    const start = performance.now();
    const encoder = device.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode(
      pass,
      Array.from({ length: repeats }, () => dispatch),
    );
    pass.end();
    device.device.queue.submit([encoder.finish()]);
    await device.device.queue.onSubmittedWorkDone();
    // The first run pays for first touches.
    if (run > 0) best = Math.min(best, performance.now() - start);
  }
  source.destroy();
  sums.destroy();
  return (bytes * repeats) / best / 1e6;
}
