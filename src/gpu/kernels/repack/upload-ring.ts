import { LapisError } from '../../../protocol/errors.ts';
import {
  COPY_DST,
  COPY_SRC,
  type GpuDevice,
  MAP_MODE_WRITE,
  MAP_WRITE,
  RANGE_ALIGNMENT,
  STORAGE,
  UNIFORM,
} from '../../device.ts';

/** What goes to the GPU at once, bytes. */
const TURN_BYTES = 8 * 1024 * 1024;
/** How many of them are on their way at most: one that is filled while the others are copied and mapped again. */
const TURNS = 4;

/** Encodes what is to become of bytes that stand in `staging` from `offset` on. */
export type UseStaged = (encoder: GPUCommandEncoder, staging: GPUBuffer, offset: number) => void;

/** A mapped buffer and what stands in it. */
interface Filling {
  buffer: GPUBuffer;
  bytes: Uint8Array;
  filled: number;
  uses: { use: UseStaged; offset: number }[];
}

/**
 * Brings bytes to the GPU through mapped buffers that take turns. In a browser `writeBuffer` copies each byte into memory that was
 * never touched before, twice, which is several times slower (docs/performance.md).
 */
export class UploadRing {
  /** The most bytes of one piece. */
  static readonly pieceBytes = TURN_BYTES;
  readonly #device: GpuDevice;
  /** Ready to be filled, in order of their turns. */
  readonly #turns: { buffer: GPUBuffer; mapped: Promise<unknown> }[] = [];
  /** The bytes of one turn on the GPU. */
  #staging: GPUBuffer | undefined;
  #filling: Filling | undefined;

  constructor(device: GpuDevice) {
    this.#device = device;
  }

  /**
   * Takes some arrays, of at most `pieceBytes` together, and puts each on a boundary of RANGE_ALIGNMENT, one behind the other. They are
   * the caller's again when this resolves; `use` is called when their turn is full, or by `flush`. Rejects with `device-lost`.
   */
  async put(arrays: Uint8Array[], use: UseStaged): Promise<void> {
    const length = arrays.reduce((sum, { length }) => sum + aligned(length), 0);
    if (this.#filling && this.#filling.filled + length > this.#filling.bytes.length) this.flush();
    this.#filling ??= await this.#next();
    const turn = this.#filling;
    turn.uses.push({ use, offset: turn.filled });
    for (const array of arrays) {
      turn.bytes.set(array, turn.filled);
      turn.filled += aligned(array.length);
    }
  }

  /** Submits what waits for its turn to be full. */
  flush(): void {
    if (!this.#filling) return;
    const { buffer, filled, uses } = this.#filling;
    this.#filling = undefined;
    buffer.unmap();
    const { device } = this.#device;
    const staging = this.#staging!;
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, staging, 0, filled);
    for (const { use, offset } of uses) use(encoder, staging, offset);
    device.queue.submit([encoder.finish()]);
    const mapped = buffer.mapAsync(MAP_MODE_WRITE);
    // It is awaited at its next turn: a device that is lost before may not leave a rejection that nobody handles.
    mapped.catch(() => undefined);
    this.#turns.push({ buffer, mapped });
  }

  destroy(): void {
    this.#filling?.buffer.destroy();
    for (const { buffer } of this.#turns) buffer.destroy();
    this.#staging?.destroy();
  }

  async #next(): Promise<Filling> {
    // Each array but the last may leave nearly a boundary's worth empty.
    const size = TURN_BYTES + 2 * RANGE_ALIGNMENT;
    this.#staging ??= this.#device.createBuffer('staging', size, STORAGE | UNIFORM | COPY_SRC | COPY_DST);
    let buffer: GPUBuffer;
    if (this.#turns.length < TURNS) {
      buffer = this.#device.createMappedBuffer('upload', size, MAP_WRITE | COPY_SRC);
    } else {
      const turn = this.#turns.shift()!;
      await turn.mapped.catch((cause: unknown) => {
        throw new LapisError('device-lost', 'The GPU device was lost while weights were being uploaded.', { cause });
      });
      buffer = turn.buffer;
    }
    return { buffer, bytes: new Uint8Array(buffer.getMappedRange()), filled: 0, uses: [] };
  }
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / RANGE_ALIGNMENT) * RANGE_ALIGNMENT;
}
