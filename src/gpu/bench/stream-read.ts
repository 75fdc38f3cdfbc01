import { LapisError } from '../../protocol/errors.ts';
import { COPY_DST, type GpuDevice, STORAGE } from '../device.ts';
import { encode, Kernel } from '../kernel.ts';
import streamRead from './stream_read.wgsl?raw';

const WORKGROUPS = 4096;
/** Below this the caches would answer. */
const LEAST_BYTES = 16 * 2 ** 20;

/**
 * Memory bandwidth of a plain streaming read, GB/s: the floor that decoding is held against. Best of five runs. Reads at most
 * `mostBytes`, less where the GPU has less to give. Throws `no-gpu` where it has nearly nothing.
 */
export async function streamingReadGBps(device: GpuDevice, mostBytes: number): Promise<number> {
  const { source, bytes } = await roomToRead(device, Math.min(mostBytes, device.maxBindingBytes));
  const sums = device.createBuffer('stream read sums', 16, STORAGE);
  try {
    const kernel = await Kernel.compile(device, {
      label: 'stream read',
      constants: { GROUPS: WORKGROUPS, COUNT: Math.floor(bytes / 16) },
      parts: [streamRead],
    });
    const dispatch = kernel.bind([[source, sums]], [WORKGROUPS]);
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
    return (bytes * repeats) / best / 1e6;
  } finally {
    source.destroy();
    sums.destroy();
  }
}

/** A buffer as large as there is memory for; a refusal inside an error scope does not lose the device. */
async function roomToRead(device: GpuDevice, mostBytes: number): Promise<{ source: GPUBuffer; bytes: number }> {
  for (let bytes = mostBytes; bytes >= LEAST_BYTES; bytes /= 2) {
    device.device.pushErrorScope('out-of-memory');
    const source = device.createBuffer('stream read', bytes, STORAGE | COPY_DST);
    if (!(await device.device.popErrorScope())) return { source, bytes };
    source.destroy();
  }
  throw new LapisError('no-gpu', 'The GPU has too little free memory for a measurement of its bandwidth.');
}
