import { AskedWorker } from './asked-worker.ts';
import type { HashReply, HashRequest } from './hash-worker.ts';
import { incrementalSha256 } from './sha256.ts';

/** The SHA-256 of a file that comes in pieces, in order, and is never in memory as a whole. */
export interface WholeHash {
  /** Takes the bytes with their buffer, which is the caller's again, whole, when they have been hashed. */
  update(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
  /** Lower-case hexadecimal, of everything so far. */
  hex(): Promise<string>;
  /** Ends it, whatever is under way. */
  close(): void;
}

export type StartHash = () => WholeHash;

/** In a worker of its own, since it is the slowest step of storing a model. */
export const hashInWorker: StartHash = () => {
  const started = new Worker(new URL('./hash-worker.ts', import.meta.url), { type: 'module' });
  const worker = new AskedWorker<HashRequest, HashReply>(started, 'The worker that hashes');
  return {
    async update(bytes) {
      const { byteOffset, length, buffer } = bytes;
      const reply = await worker.ask({ buffer, byteOffset, length }, [buffer]);
      return new Uint8Array(reply as ArrayBuffer);
    },
    hex: async () => (await worker.ask('hex', [])) as string,
    close: () => worker.close(),
  };
};

/** Where there are no workers of the web: in Node. */
export const hashHere: StartHash = () => {
  const hash = incrementalSha256();
  return {
    async update(bytes) {
      hash.update(bytes);
      return new Uint8Array(bytes.buffer);
    },
    hex: async () => hash.hex(),
    close: () => {},
  };
};
