import { LapisError } from '../protocol/errors.ts';

/** Random access to the bytes of one file, wherever it lives: a Blob, a Node file, an OPFS file, a range-capable URL. */
export interface ByteSource {
  /** Length in bytes. */
  readonly size: number;
  /** Exactly `length` bytes from `offset`. Rejects with `corrupt` when the range leaves the file, `aborted` on `signal`. */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
  /** Fills `into` with the bytes from `offset`, as `read` does, where that spares a copy. */
  readInto?(into: Uint8Array<ArrayBuffer>, offset: number, signal?: AbortSignal): Promise<void>;
}

/** Throws `aborted` if `signal` has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new LapisError('aborted', 'The operation was cancelled.', { cause: signal.reason });
  }
}

/** Throws `corrupt` unless [offset, offset + length) lies within `size` bytes. */
export function checkRange(size: number, offset: number, length: number): void {
  if (offset < 0 || length < 0 || offset + length > size) {
    throw new LapisError(
      'corrupt',
      `The file ends at byte ${size}, but bytes ${offset} to ${offset + length} are needed.`,
    );
  }
}

/** A Blob or File as a byte source. Reads only the range asked for. */
export function blobSource(blob: Blob): ByteSource {
  return {
    size: blob.size,
    async read(offset, length, signal) {
      throwIfAborted(signal);
      checkRange(blob.size, offset, length);
      const bytes = new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
      throwIfAborted(signal);
      if (bytes.length !== length) {
        throw new LapisError(
          'corrupt',
          `The file changed while it was read: ${length} bytes asked for, ${bytes.length} read.`,
        );
      }
      return bytes;
    },
  };
}

/** Bytes that are in memory as a byte source. Reads are copies. */
export function memorySource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    async read(offset, length, signal) {
      throwIfAborted(signal);
      checkRange(bytes.length, offset, length);
      // Not slice(): on a Node Buffer that is a view.
      return new Uint8Array(bytes.subarray(offset, offset + length));
    },
  };
}
