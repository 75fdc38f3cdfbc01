import { open, stat } from 'node:fs/promises';
import { type ByteSource, checkRange, throwIfAborted } from '../src/model/byte-source.ts';
import { LapisError } from '../src/protocol/errors.ts';

/** A file on disk as a byte source. It is opened for each read, so that nothing needs to be closed. */
export async function fileSource(path: string): Promise<ByteSource> {
  const unreadable = (error: unknown): LapisError =>
    new LapisError('bad-request', `${path} cannot be read: ${(error as NodeJS.ErrnoException).code}.`, {
      cause: error,
    });
  const { size } = await stat(path).catch((error) => {
    throw unreadable(error);
  });
  return {
    size,
    async read(offset, length, signal) {
      throwIfAborted(signal);
      checkRange(size, offset, length);
      const file = await open(path).catch((error) => {
        throw unreadable(error);
      });
      try {
        const bytes = new Uint8Array(length);
        let done = 0;
        while (done < length) {
          const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
          throwIfAborted(signal);
          if (bytesRead === 0) throw new LapisError('corrupt', `${path} became shorter while it was read.`);
          done += bytesRead;
        }
        return bytes;
      } finally {
        await file.close();
      }
    },
  };
}
