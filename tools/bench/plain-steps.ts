/// <reference lib="webworker" />

import { incrementalSha256 } from '../../src/storage/sha256.ts';

/*
 * The plain steps that storing and loading a model are made of, each alone, in a worker of the extension's origin: what the whole is
 * measured against. Each answers with bytes a second.
 */

export type PlainStep = 'write' | 'hash' | 'read' | 'digest' | 'upload';

export interface StepRequest {
  step: PlainStep;
  bytes: number;
}

const PIECE = 8 * 1024 * 1024;
const SHARD = 64 * 1024 * 1024;
const FILE = 'plain-step.bin';

interface SyncAccessHandle {
  getSize(): number;
  read(buffer: Uint8Array, options: { at: number }): number;
  write(buffer: Uint8Array, options: { at: number }): number;
  flush(): void;
  close(): void;
}

async function withFile(work: (access: SyncAccessHandle) => void): Promise<void> {
  const root = await navigator.storage.getDirectory();
  const handle = await root.getFileHandle(FILE, { create: true });
  const access = await (
    handle as unknown as { createSyncAccessHandle(): Promise<SyncAccessHandle> }
  ).createSyncAccessHandle();
  try {
    work(access);
  } finally {
    access.close();
  }
}

/** Bytes that no step can make short work of, `length` a multiple of 64 KiB. */
function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}

async function timed(bytes: number, work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (bytes / (performance.now() - startedAt)) * 1000;
}

const STEPS: Record<PlainStep, (bytes: number) => Promise<number>> = {
  /** Into one new file, which is on the disk at the end. */
  async write(bytes) {
    const piece = randomBytes(PIECE);
    await (await navigator.storage.getDirectory()).removeEntry(FILE).catch(() => {});
    return timed(bytes, () =>
      withFile((access) => {
        for (let at = 0; at < bytes; at += PIECE) access.write(piece.subarray(0, Math.min(PIECE, bytes - at)), { at });
        access.flush();
      }),
    );
  },
  /** With the hash of the whole file, as a download is. */
  async hash(bytes) {
    const piece = randomBytes(PIECE);
    const hash = incrementalSha256();
    return timed(bytes, async () => {
      for (let at = 0; at < bytes; at += PIECE) hash.update(piece.subarray(0, Math.min(PIECE, bytes - at)));
      hash.hex();
    });
  },
  /** The file that `write` left. */
  async read(bytes) {
    const piece = new Uint8Array(PIECE);
    const speed = await timed(bytes, () =>
      withFile((access) => {
        for (let at = 0; at < bytes; at += PIECE) access.read(piece, { at });
      }),
    );
    await (await navigator.storage.getDirectory()).removeEntry(FILE);
    return speed;
  },
  /** As a load checks shards. */
  async digest(bytes) {
    const shard = randomBytes(SHARD);
    return timed(bytes, async () => {
      for (let at = 0; at < bytes; at += SHARD) {
        await crypto.subtle.digest('SHA-256', shard.subarray(0, Math.min(SHARD, bytes - at)));
      }
    });
  },
  /** To buffers of the GPU, until they are there. */
  async upload(bytes) {
    const adapter = await navigator.gpu.requestAdapter();
    const device = await adapter!.requestDevice();
    const piece = randomBytes(PIECE);
    const buffers = Array.from({ length: Math.ceil(bytes / SHARD) }, () =>
      device.createBuffer({ size: SHARD, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST }),
    );
    const speed = await timed(bytes, async () => {
      for (let at = 0; at < bytes; at += PIECE) {
        const length = Math.min(PIECE, Math.ceil((bytes - at) / 4) * 4);
        device.queue.writeBuffer(buffers[Math.floor(at / SHARD)], at % SHARD, piece, 0, length);
      }
      await device.queue.onSubmittedWorkDone();
    });
    for (const buffer of buffers) buffer.destroy();
    device.destroy();
    return speed;
  },
};

addEventListener('message', async ({ data }: MessageEvent<StepRequest>) => {
  try {
    postMessage({ speed: await STEPS[data.step](data.bytes) });
  } catch (error) {
    postMessage({ failed: String(error) });
  }
});
