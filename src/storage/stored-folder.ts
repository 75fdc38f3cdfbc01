import type { ByteSource } from '../model/byte-source.ts';
import { checkRange, throwIfAborted } from '../model/byte-source.ts';
import type { ShardFolder } from '../model/shards.ts';
import { LapisError } from '../protocol/errors.ts';
import type { FileStore } from './file-store.ts';

/** A directory of the store as src/model's readers and writers want it. */
export function storedFolder(store: FileStore, directory: string): ShardFolder {
  return {
    write: (name, bytes) => store.write(directory, name, bytes),
    async read(name): Promise<ByteSource> {
      const size = (await store.files(directory)).find((file) => file.name === name)?.bytes;
      if (size === undefined) throw new LapisError('corrupt', `The file ${name} is missing from storage.`);
      return {
        size,
        async read(offset, length, signal) {
          throwIfAborted(signal);
          checkRange(size, offset, length);
          const bytes = await store.read(directory, name, offset, length);
          if (bytes?.length !== length) throw new LapisError('corrupt', `The file ${name} is shorter than it was.`);
          return bytes;
        },
      };
    },
  };
}
