import { RANGE_ALIGNMENT } from './device.ts';

/** Ranges of one buffer, handed out in order: a dispatch costs the CPU more with every buffer that it uses. */
export class BufferRanges {
  readonly buffer: GPUBuffer;
  #end = 0;

  constructor(buffer: GPUBuffer) {
    this.buffer = buffer;
  }

  /** The next `bytes` bytes. */
  next(bytes: number): GPUBufferBinding {
    const offset = this.#end;
    this.#end = align(offset + bytes);
    return { buffer: this.buffer, offset, size: bytes };
  }
}

/** Bytes of a buffer for ranges of these sizes. */
export function bytesOfRanges(sizes: readonly number[]): number {
  return sizes.reduce((sum, size) => sum + align(size), 0);
}

function align(bytes: number): number {
  return Math.ceil(bytes / RANGE_ALIGNMENT) * RANGE_ALIGNMENT;
}

/** One range from the beginning of `first` to the end of `last`. */
export function spanOf(first: GPUBufferBinding, last: GPUBufferBinding): GPUBufferBinding {
  const { buffer, offset = 0 } = first;
  return { buffer, offset, size: last.offset! + last.size! - offset };
}
