import type { StartDigests } from '../model/shards.ts';
import { digestHere } from '../model/shards.ts';
import { LapisError } from '../protocol/errors.ts';
import type { DigestReply, DigestRequest } from './digest-worker.ts';

/** One hashes about half as fast as a load brings bytes: `crypto.subtle` copies its input twice, in the thread that calls it. */
const WORKERS = 2;

/** In workers of their own, since a load has no time for it. */
const digestInWorkers: StartDigests = () => {
  // Replies of a worker come in the order of its requests.
  const workers = Array.from({ length: WORKERS }, () => ({
    worker: new Worker(new URL('./digest-worker.ts', import.meta.url), { type: 'module' }),
    waiting: [] as { resolve: (reply: DigestReply) => void; reject: (error: LapisError) => void }[],
  }));
  for (const { worker, waiting } of workers) {
    worker.onmessage = ({ data }: MessageEvent<DigestReply>) => waiting.shift()?.resolve(data);
    worker.onerror = ({ message }) => {
      const error = new LapisError('internal', `A worker that hashes shards has failed: ${message}`);
      for (const { reject } of waiting.splice(0)) reject(error);
    };
  }
  return {
    width: WORKERS,
    async hex({ buffer, byteOffset, length }) {
      const { worker, waiting } = workers.reduce((a, b) => (b.waiting.length < a.waiting.length ? b : a));
      const reply = new Promise<DigestReply>((resolve, reject) => waiting.push({ resolve, reject }));
      worker.postMessage({ buffer, byteOffset, length } satisfies DigestRequest, [buffer]);
      const { sha256, buffer: back } = await reply;
      return { sha256, bytes: new Uint8Array(back) };
    },
    close() {
      for (const { worker } of workers) worker.terminate();
    },
  };
};

/** In workers where there are any; Node has none of the web's. */
export const startShardDigests: StartDigests = typeof Worker === 'function' ? digestInWorkers : digestHere;
