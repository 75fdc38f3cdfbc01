import { LapisError } from '../protocol/errors.ts';
import { diskError } from './disk-error.ts';
import type { FileStore, OpenFile } from './file-store.ts';

/** TypeScript's DOM library leaves out what exists in workers only. */
interface SyncAccessHandle {
  getSize(): number;
  read(buffer: Uint8Array, options: { at: number }): number;
  write(buffer: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}

interface WorkerFileHandle extends FileSystemFileHandle {
  createSyncAccessHandle(options?: { mode: 'readwrite' | 'read-only' }): Promise<SyncAccessHandle>;
  /** Renames, taking the place of a file of that name. */
  move(name: string): Promise<void>;
}

/** One write call of a sync handle; larger ones would need as large a copy in the browser process. */
const WRITE_PIECE = 8 * 1024 * 1024;

const LOCK_POLL_MS = 50;
/** The handles of a worker that was killed are given back a moment after its end. */
const LOCK_PATIENCE_MS = 5_000;

/** Ends the name of a file that is being written. */
const PARTIAL = '.partial';

/** The origin private file system below `root`. Works in a dedicated worker only, since it uses sync handles. */
export async function openOpfs(root = 'models'): Promise<FileStore> {
  const top = await (await navigator.storage.getDirectory()).getDirectoryHandle(root, { create: true });

  const directory = (name: string): Promise<FileSystemDirectoryHandle | undefined> =>
    orUndefined(top.getDirectoryHandle(name));

  const file = async (directoryName: string, name: string): Promise<WorkerFileHandle | undefined> => {
    const parent = await directory(directoryName);
    return parent && ((await orUndefined(parent.getFileHandle(name))) as WorkerFileHandle | undefined);
  };

  const made = async (directoryName: string, name: string): Promise<WorkerFileHandle> => {
    const parent = await top.getDirectoryHandle(directoryName, { create: true });
    return (await parent.getFileHandle(name, { create: true })) as WorkerFileHandle;
  };

  return {
    async directories() {
      const names: string[] = [];
      for await (const [name, handle] of top.entries()) if (handle.kind === 'directory') names.push(name);
      return names;
    },
    async files(directoryName) {
      const found: { name: string; bytes: number }[] = [];
      const parent = await directory(directoryName);
      if (!parent) return found;
      for await (const [name, handle] of parent.entries()) {
        if (handle.kind === 'file' && !name.endsWith(PARTIAL))
          found.push({ name, bytes: (await (handle as FileSystemFileHandle).getFile()).size });
      }
      return found;
    },
    async read(directoryName, name, offset = 0, length) {
      const handle = await file(directoryName, name);
      if (!handle) return undefined;
      const access = await unlocked(name, () => handle.createSyncAccessHandle({ mode: 'read-only' }));
      try {
        const bytes = new Uint8Array(Math.max(0, Math.min(length ?? Infinity, access.getSize() - offset)));
        const done = readInto(access, bytes, offset);
        return done === bytes.length ? bytes : bytes.slice(0, done);
      } finally {
        access.close();
      }
    },
    async write(directoryName, name, bytes) {
      try {
        // Under another name until it is whole: a record cut off by a crash would cost the model it speaks of.
        const handle = await made(directoryName, `${name}${PARTIAL}`);
        const access = await unlocked(name, () => handle.createSyncAccessHandle());
        try {
          access.truncate(0);
          writeAt(access, bytes, 0);
          access.flush();
        } finally {
          access.close();
        }
        await unlocked(name, () => handle.move(name));
      } catch (error) {
        throw diskError(error);
      }
    },
    async open(directoryName, name, mode) {
      if (mode === 'append') {
        try {
          const handle = await made(directoryName, name);
          return openFile(await unlocked(name, () => handle.createSyncAccessHandle({ mode: 'readwrite' })));
        } catch (error) {
          throw diskError(error);
        }
      }
      const handle = await file(directoryName, name);
      if (!handle) throw new LapisError('corrupt', `The file ${name} is missing from storage.`);
      return openFile(await unlocked(name, () => handle.createSyncAccessHandle({ mode: 'read-only' })));
    },
    async removeFile(directoryName, name) {
      const parent = await directory(directoryName);
      if (parent) await unlocked(name, () => orUndefined(parent.removeEntry(name)));
    },
    async removeDirectory(name) {
      await unlocked(name, () => orUndefined(top.removeEntry(name, { recursive: true })));
    },
    async freeBytes() {
      const { quota, usage } = await navigator.storage.estimate();
      return quota === undefined || usage === undefined ? undefined : quota - usage;
    },
  };
}

function openFile(access: SyncAccessHandle): OpenFile {
  const written = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw diskError(error);
    }
  };
  return {
    size: () => access.getSize(),
    read: (into, offset) => readInto(access, into, offset),
    write: (bytes, offset) => written(() => writeAt(access, bytes, offset)),
    truncate: (size) => written(() => access.truncate(size)),
    flush: () => written(() => access.flush()),
    close: () => access.close(),
  };
}

function readInto(access: SyncAccessHandle, into: Uint8Array, offset: number): number {
  let done = 0;
  while (done < into.length) {
    const read = access.read(into.subarray(done), { at: offset + done });
    if (read === 0) break;
    done += read;
  }
  return done;
}

function writeAt(access: SyncAccessHandle, bytes: Uint8Array, offset: number): void {
  for (let at = 0; at < bytes.length; ) {
    const written = access.write(bytes.subarray(at, at + WRITE_PIECE), { at: offset + at });
    if (written === 0) throw new DOMException('Nothing could be written.', 'QuotaExceededError');
    at += written;
  }
}

/** Tries again while a file is locked. @throws LapisError `busy` when it stays so, or what `work` throws */
async function unlocked<T>(name: string, work: () => Promise<T>): Promise<T> {
  for (let waited = 0; ; waited += LOCK_POLL_MS) {
    try {
      return await work();
    } catch (error) {
      const locked = error instanceof DOMException && error.name === 'NoModificationAllowedError';
      if (!locked) throw error;
      if (waited >= LOCK_PATIENCE_MS) {
        throw new LapisError(
          'busy',
          `${name} in the storage of Lapis is locked: something else in this browser holds it open. Restart the browser, then try again.`,
          { cause: error },
        );
      }
      await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
    }
  }
}

async function orUndefined<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'NotFoundError') return undefined;
    throw error;
  }
}
