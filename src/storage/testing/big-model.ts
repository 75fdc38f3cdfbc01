import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ModelSource } from '../../model/source.ts';
import { LapisError } from '../../protocol/errors.ts';
import { GEMMA_TERMS } from '../catalogue.ts';
import type { DownloadableModel, DownloadOptions } from '../download-model.ts';
import type { StorageOptions } from '../environment.ts';
import { ModelStore } from '../model-store.ts';
import { directoryOf } from '../record.ts';
import type { RetryClock } from '../retry.ts';
import { failure } from './failure.ts';
import type { Answer } from './file-server.ts';
import { rangeOf, sendRange, serve } from './file-server.ts';
import type { MemoryFileStore } from './memory-file-store.ts';

/* A model that is fetched from a server here in several shards of several chunks. */

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const CHUNK = 256 * KIB;
export const SHARD = 3 * MIB;

/** A GGUF that reaches well beyond the 8 MiB in which a header is looked for: the golden and a tail that is no tensor's. */
export const gguf = longFile();

function longFile(): Buffer {
  const golden = readFileSync(new URL('../../../tests/goldens/reference/small-Q8_0.gguf', import.meta.url));
  const tail = Buffer.alloc(14 * MIB + 12_345 - golden.length);
  const random = numbers(5);
  for (let i = 0; i < tail.length; i++) tail[i] = random() * 256;
  return Buffer.concat([golden, tail]);
}

/** Numbers in [0, 1) by Marsaglia's xorshift32. */
export function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

export const clock: RetryClock = { now: () => 0, random: () => 0, sleep: async () => {} };

export function openStore(files: MemoryFileStore, options: Partial<StorageOptions> = {}): Promise<ModelStore> {
  const packageUrl = (path: string) => `package:${path}`;
  return ModelStore.open({ files, packageUrl, shardBytes: SHARD, chunkBytes: CHUNK, clock, ...options });
}

export function model(url: string, { bytes = gguf.length, pin = true, file = gguf } = {}): DownloadableModel {
  const sha256 = createHash('sha256').update(file).digest('hex');
  return { id: 'big', name: 'Big', bytes, license: GEMMA_TERMS, origin: { kind: 'url', url, ...(pin && { sha256 }) } };
}

/** A server of the file as `current` gives it, which counts. Beyond byte `until` it sends nothing more and waits. */
export async function fileServer(current: () => Buffer = () => gguf) {
  const served = {
    starts: [] as number[],
    until: Number.POSITIVE_INFINITY,
    /** Shown as Last-Modified. */
    date: undefined as string | undefined,
    url: '',
  };
  const answer: Answer = (request, response) => {
    const file = current();
    const { start, end } = rangeOf(request, file.length);
    // A look at its beginning is no download.
    if (request.headers.range !== 'bytes=0-3') served.starts.push(start);
    if (served.date) response.setHeader('last-modified', served.date);
    if (start >= file.length || end <= served.until) {
      sendRange(file, request, response);
      return;
    }
    response.writeHead(206, { 'content-length': end - start });
    response.write(file.subarray(start, served.until));
  };
  served.url = await serve(answer);
  return served;
}

/** Stored bytes of the model, whole shards joined. */
export function storedBytes(files: MemoryFileStore, id = 'big'): Buffer {
  const folder = files.contents.get(directoryOf(id));
  const names = [...(folder?.keys() ?? [])].filter((name) => name.startsWith('shard-')).sort();
  return Buffer.concat(names.map((name) => folder?.get(name) ?? new Uint8Array(0)));
}

export async function weightsOf(source: ModelSource, name: string): Promise<Float32Array> {
  const parts: Uint8Array[] = [];
  for await (const { tensor, bytes } of source.weights()) if (tensor.name === name) parts.push(bytes.slice());
  return new Float32Array(Uint8Array.from(Buffer.concat(parts)).buffer);
}

/**
 * Downloads until `cut` bytes have come, and ends there: paused, or as when the browser is killed. What is left is given back.
 */
export async function downloadUpTo(
  files: MemoryFileStore,
  wanted: DownloadableModel,
  cut: number,
  { kill, ...options }: DownloadOptions & { kill?: () => number } = {},
): Promise<MemoryFileStore> {
  const stop = new AbortController();
  let left = files;
  const onProgress = (done: number) => {
    if (done < cut || stop.signal.aborted) return;
    if (kill) left = files.crash(kill);
    stop.abort(new LapisError('aborted', 'The download was paused.'));
  };
  const store = await openStore(files);
  const error = await failure(store.download(wanted, { ...options, signal: stop.signal, onProgress }));
  if (error.message !== 'The download was paused.') throw error;
  return left;
}
