import { LapisError } from '../protocol/errors.ts';
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
  const worker = new Worker(new URL('./hash-worker.ts', import.meta.url), { type: 'module' });
  // Replies come in the order of the requests.
  const waiting: { resolve: (reply: HashReply) => void; reject: (error: LapisError) => void }[] = [];
  worker.onmessage = ({ data }: MessageEvent<HashReply>) => waiting.shift()?.resolve(data);
  worker.onerror = ({ message }) => {
    const error = new LapisError('internal', `The worker that hashes has failed: ${message}`);
    for (const { reject } of waiting.splice(0)) reject(error);
  };
  const ask = (request: HashRequest, transfer: Transferable[]) =>
    new Promise<HashReply>((resolve, reject) => {
      waiting.push({ resolve, reject });
      worker.postMessage(request, transfer);
    });
  return {
    async update(bytes) {
      const { byteOffset, length, buffer } = bytes;
      const reply = await ask({ buffer, byteOffset, length }, [buffer]);
      return new Uint8Array(reply as ArrayBuffer);
    },
    hex: async () => (await ask('hex', [])) as string,
    close: () => worker.terminate(),
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
