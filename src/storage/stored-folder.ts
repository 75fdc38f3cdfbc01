import type { ByteSource } from '../model/byte-source.ts';
import { checkRange, throwIfAborted } from '../model/byte-source.ts';
import type { ShardFolder } from '../model/shards.ts';
import { LapisError } from '../protocol/errors.ts';
import { readError } from './disk-error.ts';
import type { FileStore } from './file-store.ts';

/** A directory of the store as src/model's readers and writers want it. */
export function storedFolder(store: FileStore, directory: string): ShardFolder {
  return {
    write: (name, bytes) => store.write(directory, name, bytes),
    async read(name): Promise<ByteSource> {
      const file = await store.open(directory, name, 'read');
      const size = file.size();
      file.close();
      return {
        size,
        async read(offset, length, signal) {
          throwIfAborted(signal);
          checkRange(size, offset, length);
          const bytes = await store.read(directory, name, offset, length).catch((error) => {
            throw readError(error, name);
          });
          if (bytes?.length !== length) throw shorter(name);
          return bytes;
        },
        async readInto(into, offset, signal) {
          throwIfAborted(signal);
          checkRange(size, offset, into.length);
          const opened = await store.open(directory, name, 'read');
          try {
            if (opened.read(into, offset) !== into.length) throw shorter(name);
          } catch (error) {
            throw readError(error, name);
          } finally {
            opened.close();
          }
        },
      };
    },
  };
}

function shorter(name: string): LapisError {
  return new LapisError('corrupt', `The file ${name} is shorter than it was.`);
}
