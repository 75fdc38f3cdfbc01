import { COPY_DST, COPY_SRC, type GpuDevice, MAP_MODE_READ, MAP_READ, QUERY_RESOLVE } from './device.ts';
import { type Dispatch, encodeDispatch } from './kernel.ts';

/** A query set holds at most 4,096 queries; a dispatch takes two. */
const MAX_DISPATCHES = 2048;

/** Times each dispatch by timestamp queries, in passes of their own: what a kernel costs, not what a token costs. */
export class Profiler {
  readonly #device: GpuDevice;
  readonly #querySet: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #milliseconds = new Map<string, number>();
  #pending: { labels: string[]; readBack: GPUBuffer }[] = [];

  /** The device must have been opened with `timestamps`. */
  constructor(device: GpuDevice) {
    this.#device = device;
    this.#querySet = device.device.createQuerySet({ type: 'timestamp', count: MAX_DISPATCHES * 2 });
    this.#resolved = device.createBuffer('timestamps', MAX_DISPATCHES * 16, QUERY_RESOLVE | COPY_SRC);
  }

  encode(encoder: GPUCommandEncoder, all: readonly Dispatch[]): void {
    const dispatches = all.slice(0, MAX_DISPATCHES);
    dispatches.forEach((dispatch, index) => {
      const pass = encoder.beginComputePass({
        timestampWrites: {
          querySet: this.#querySet,
          beginningOfPassWriteIndex: index * 2,
          endOfPassWriteIndex: index * 2 + 1,
        },
      });
      encodeDispatch(pass, dispatch);
      pass.end();
    });
    const bytes = dispatches.length * 16;
    const readBack = this.#device.createBuffer('timestamps read back', bytes, MAP_READ | COPY_DST);
    encoder.resolveQuerySet(this.#querySet, 0, dispatches.length * 2, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, readBack, 0, bytes);
    this.#pending.push({ labels: dispatches.map(kernelName), readBack });
  }

  /** Milliseconds a kernel, summed over everything encoded so far, the costliest first. */
  async results(): Promise<[kernel: string, milliseconds: number][]> {
    for (const { labels, readBack } of this.#pending) {
      await readBack.mapAsync(MAP_MODE_READ);
      const times = new BigUint64Array(readBack.getMappedRange());
      labels.forEach((label, index) => {
        const nanoseconds = Number(times[index * 2 + 1]! - times[index * 2]!);
        this.#milliseconds.set(label, (this.#milliseconds.get(label) ?? 0) + nanoseconds / 1e6);
      });
      readBack.destroy();
    }
    this.#pending = [];
    return [...this.#milliseconds].sort((a, b) => b[1] - a[1]);
  }

  destroy(): void {
    this.#querySet.destroy();
    this.#resolved.destroy();
    for (const { readBack } of this.#pending) readBack.destroy();
  }
}

/** A dispatch's label without the layer it belongs to, so that layers add up. */
function kernelName({ label }: Dispatch): string {
  return label.replace(/blk\.\d+\./g, '').replace(/\.weight/g, '');
}
