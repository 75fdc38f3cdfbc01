import { LapisError } from '../protocol/errors.ts';
import { type ByteSource, checkRange, throwIfAborted } from './byte-source.ts';
import { cutBytes } from './chunks.ts';
import { MANIFEST_LIMITS } from './limits.ts';
import {
  MANIFEST_FILE,
  type Manifest,
  type ManifestShard,
  type ManifestTensor,
  parseManifest,
  SHARD_BYTES,
  shardFile,
} from './manifest.ts';
import type { ModelSource } from './source.ts';
import { type TensorInfo, tensorBytes } from './tensor.ts';
import { parseUntrustedJson } from './untrusted-json.ts';

/** Where shards and their manifest are kept: a directory of Node, of OPFS, of a test. */
export interface ShardFolder {
  /** Replaces the file, and resolves when it is on the disk. */
  write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Rejects with `corrupt`, naming the file, when it is absent. */
  read(name: string): Promise<ByteSource>;
}

/** A run of bytes that is cut into shards: a GGUF file as it is, or what `convert` makes. */
export interface ShardLayout {
  bytes: number;
  /** In order of `fileOffset`, not overlapping. */
  tensors: readonly (TensorInfo & { fileOffset: number })[];
}

export interface ShardPlan {
  /** Shard i is the bytes [start, start + bytes) of the layout. */
  shards: { file: string; start: number; bytes: number }[];
  tensors: ManifestTensor[];
}

/**
 * Cuts a layout into shards of at most `limit` bytes. A cut never falls into a row of a tensor (see chunks.ts), and no byte is
 * left out or added: the shards joined are the layout.
 */
export function planShards(layout: ShardLayout, limit: number = SHARD_BYTES): ShardPlan {
  const shards: ShardPlan['shards'] = [];
  let next = 0;
  for (let start = 0; start < layout.bytes; ) {
    let end = Math.min(start + limit, layout.bytes);
    while (next < layout.tensors.length && layout.tensors[next].fileOffset + layout.tensors[next].bytes <= end) next++;
    const tensor = layout.tensors[next];
    if (tensor && tensor.fileOffset < end && end < layout.bytes) {
      const unit = cutBytes(tensor);
      const cut = tensor.fileOffset + Math.floor((end - tensor.fileOffset) / unit) * unit;
      if (cut <= start)
        throw new LapisError('unsupported', `A row of the tensor ${tensor.name} does not fit into a shard.`);
      end = cut;
    }
    shards.push({ file: shardFile(shards.length), start, bytes: end - start });
    start = end;
  }

  let first = 0;
  const tensors = layout.tensors.map(({ name, type, shape, bytes, fileOffset }) => {
    while (shards[first].start + shards[first].bytes <= fileOffset) first++;
    const parts: ManifestTensor['parts'] = [];
    const end = fileOffset + bytes;
    for (let shard = first; shard < shards.length && shards[shard].start < end; shard++) {
      const from = Math.max(fileOffset, shards[shard].start);
      const to = Math.min(end, shards[shard].start + shards[shard].bytes);
      parts.push({ shard, offset: from - shards[shard].start, bytes: to - from });
    }
    return { name, type, shape, parts };
  });
  return { shards, tensors };
}

/** SHA-256, lower-case hexadecimal. */
export async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Hashes whole shards, some at a time, beside whatever else happens. */
export interface ShardDigests {
  /** How many are hashed at a time. */
  readonly width: number;
  /** SHA-256, lower-case hexadecimal. Takes the bytes with their buffer, which is the caller's again, whole, when it resolves. */
  hex(bytes: Uint8Array<ArrayBuffer>): Promise<{ sha256: string; bytes: Uint8Array<ArrayBuffer> }>;
  /** Ends it, whatever is under way. */
  close(): void;
}

export type StartDigests = () => ShardDigests;

/** In this thread, one at a time. */
export const digestHere: StartDigests = () => ({
  width: 1,
  hex: async (bytes) => ({ sha256: await sha256Hex(bytes), bytes: new Uint8Array(bytes.buffer) }),
  close: () => {},
});

export interface WriteShardsOptions {
  signal?: AbortSignal;
  /** The first shards, if they are on the disk already; the stream begins behind them. */
  kept?: readonly ManifestShard[];
  /** Called when a shard is on the disk, with all that are; the next is begun when it has resolved. */
  onShard?: (written: readonly ManifestShard[]) => void | Promise<void>;
}

/**
 * Writes the layout's bytes, which come in order in pieces of any length, as the planned shards. Holds one shard in memory.
 * Errors: `corrupt` when the stream is shorter or longer than planned, `aborted`.
 */
export async function writeShards(
  folder: ShardFolder,
  plan: ShardPlan,
  stream: AsyncIterable<Uint8Array>,
  { signal, kept = [], onShard }: WriteShardsOptions = {},
): Promise<ManifestShard[]> {
  const written: ManifestShard[] = [...kept];
  let buffer = new Uint8Array(plan.shards[written.length]?.bytes ?? 0);
  let filled = 0;
  for await (const piece of stream) {
    for (let taken = 0; taken < piece.length; ) {
      throwIfAborted(signal);
      const index = written.length;
      if (index === plan.shards.length) throw new LapisError('corrupt', 'The model has more bytes than it announced.');
      const length = Math.min(piece.length - taken, buffer.length - filled);
      buffer.set(piece.subarray(taken, taken + length), filled);
      taken += length;
      filled += length;
      if (filled < buffer.length) continue;
      const { file } = plan.shards[index];
      const [sha256] = await Promise.all([sha256Hex(buffer), folder.write(file, buffer)]);
      written.push({ file, bytes: buffer.length, sha256 });
      await onShard?.(written);
      buffer = new Uint8Array(plan.shards[written.length]?.bytes ?? 0);
      filled = 0;
    }
  }
  throwIfAborted(signal);
  if (written.length < plan.shards.length) {
    throw new LapisError('corrupt', `The model ended in shard ${written.length} of ${plan.shards.length}.`);
  }
  return written;
}

/** Writes the manifest, which makes the folder a model: last of all. */
export async function writeManifest(folder: ShardFolder, manifest: Manifest): Promise<void> {
  await folder.write(MANIFEST_FILE, new TextEncoder().encode(`${JSON.stringify(manifest)}\n`));
}

/** Reads and checks a folder's manifest. Errors: `corrupt`, `stale`. */
export async function readManifest(folder: ShardFolder, signal?: AbortSignal): Promise<Manifest> {
  const file = await folder.read(MANIFEST_FILE);
  if (file.size > MANIFEST_LIMITS.bytes) {
    throw new LapisError(
      'corrupt',
      `The manifest has ${file.size} bytes; at most ${MANIFEST_LIMITS.bytes} are accepted.`,
    );
  }
  return parseManifest(parseUntrustedJson(await file.read(0, file.size, signal), 'The manifest is damaged: it'));
}

/** The shards of a folder as one file again: for a GGUF, the very file that was published. Not verified. */
export function joinedShards(folder: ShardFolder, shards: readonly ManifestShard[]): ByteSource {
  const starts: number[] = [];
  let size = 0;
  for (const { bytes } of shards) {
    starts.push(size);
    size += bytes;
  }
  return {
    size,
    async read(offset, length, signal) {
      checkRange(size, offset, length);
      const result = new Uint8Array(length);
      for (let i = 0; i < shards.length; i++) {
        const from = Math.max(offset, starts[i]);
        const to = Math.min(offset + length, starts[i] + shards[i].bytes);
        if (from >= to) continue;
        const file = await folder.read(shards[i].file);
        result.set(await file.read(from - starts[i], to - from, signal), from - offset);
      }
      return result;
    },
  };
}

interface PlacedPart {
  tensor: TensorInfo;
  /** In the tensor. */
  at: number;
  /** In the shard. */
  offset: number;
  bytes: number;
}

function partsByShard(manifest: Manifest, tensors: readonly TensorInfo[]): PlacedPart[][] {
  const byShard: PlacedPart[][] = manifest.shards.map(() => []);
  manifest.tensors.forEach(({ parts }, i) => {
    let at = 0;
    for (const { shard, offset, bytes } of parts) {
      byShard[shard].push({ tensor: tensors[i], at, offset, bytes });
      at += bytes;
    }
  });
  for (const parts of byShard) parts.sort((a, b) => a.offset - b.offset);
  return byShard;
}

/**
 * A shard folder as a model. `weights()` reads shard by shard and hashes each beside those that follow; it throws `corrupt` naming
 * the shard, so what it has yielded counts only when it has ended. In memory are the shards that are hashed and one more.
 */
function shardSource(folder: ShardFolder, manifest: Manifest, startDigests: StartDigests): ModelSource {
  const tensors = manifest.tensors.map(({ name, type, shape }) => ({
    name,
    type,
    shape,
    bytes: tensorBytes(
      type,
      shape.reduce((a, b) => a * b, 1),
    ),
  }));
  const parts = partsByShard(manifest, tensors);
  return {
    id: manifest.modelId,
    schemaVersion: manifest.schemaVersion,
    config: manifest.config,
    tokenizer: manifest.tokenizer,
    tensors,
    normSource: manifest.source.kind === 'gguf' ? '1+w' : 'w',
    async *weights({ signal, onProgress } = {}) {
      const bytesTotal = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
      let bytesDone = 0;
      const largest = Math.max(...manifest.shards.map(({ bytes }) => bytes));
      // Memory that was never touched comes at a fifth of the speed of memory that was, so the same buffers serve all shards.
      const free: Uint8Array<ArrayBuffer>[] = [];
      const digests = startDigests();
      const checks: Promise<void>[] = [];
      const check = async ({ file, sha256: expected }: ManifestShard, bytes: Uint8Array<ArrayBuffer>) => {
        const { sha256, bytes: given } = await digests.hex(bytes);
        if (sha256 !== expected) {
          throw new LapisError('corrupt', `${file} is damaged: its bytes do not have the SHA-256 of the manifest.`);
        }
        free.push(given);
      };
      try {
        for (const [index, shard] of manifest.shards.entries()) {
          throwIfAborted(signal);
          const bytes = (free.pop() ?? new Uint8Array(largest)).subarray(0, shard.bytes);
          await readShard(folder, shard, bytes, signal);
          for (const { tensor, at, offset, bytes: length } of parts[index]) {
            throwIfAborted(signal);
            yield { tensor, offset: at, bytes: bytes.subarray(offset, offset + length) };
            bytesDone += length;
            onProgress?.({ bytesDone, bytesTotal });
          }
          if (checks.length === digests.width) await checks.shift();
          checks.push(check(shard, bytes));
          // It is awaited some shards later: one that fails before may not leave a rejection that nobody handles.
          checks.at(-1)!.catch(() => undefined);
        }
        for (const shard of checks) await shard;
      } finally {
        digests.close();
      }
    },
  };
}

async function readShard(
  folder: ShardFolder,
  { file: name, bytes }: ManifestShard,
  into: Uint8Array<ArrayBuffer>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const file = await folder.read(name);
  if (file.size !== bytes) throw new LapisError('corrupt', `${name} has ${file.size} bytes instead of ${bytes}.`);
  if (file.readInto) await file.readInto(into, 0, signal);
  else into.set(await file.read(0, bytes, signal));
}

/** Opens a shard folder. Errors: `corrupt`, `stale`. */
export async function openShards(
  folder: ShardFolder,
  signal?: AbortSignal,
  startDigests: StartDigests = digestHere,
): Promise<ModelSource> {
  return shardSource(folder, await readManifest(folder, signal), startDigests);
}
