import type { StartDigests } from '../model/shards.ts';
import { digestHere } from '../model/shards.ts';
import { AskedWorker } from './asked-worker.ts';
import type { DigestReply, DigestRequest } from './digest-worker.ts';

/** One hashes about half as fast as a load brings bytes: `crypto.subtle` copies its input twice, in the thread that calls it. */
const WORKERS = 2;

/** In workers of their own, since a load has no time for it. */
const digestInWorkers: StartDigests = () => {
  const workers = Array.from({ length: WORKERS }, () => {
    const worker = new Worker(new URL('./digest-worker.ts', import.meta.url), { type: 'module' });
    return new AskedWorker<DigestRequest, DigestReply>(worker, 'A worker that hashes shards');
  });
  return {
    width: WORKERS,
    async hex({ buffer, byteOffset, length }) {
      const worker = workers.reduce((a, b) => (b.asked < a.asked ? b : a));
      const { sha256, buffer: back } = await worker.ask({ buffer, byteOffset, length }, [buffer]);
      return { sha256, bytes: new Uint8Array(back) };
    },
    close() {
      for (const worker of workers) worker.close();
    },
  };
};

/** In workers where there are any; Node has none of the web's. */
export const startShardDigests: StartDigests = typeof Worker === 'function' ? digestInWorkers : digestHere;
