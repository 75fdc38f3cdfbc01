import { NORMS_FILE } from '../model/derived-norms.ts';
import { MANIFEST_FILE } from '../model/manifest.ts';
import { sha256Hex } from '../model/shards.ts';
import { LapisError } from '../protocol/errors.ts';
import type { VerifyResult } from '../protocol/host.ts';
import { completeRecord, derive } from './derive.ts';
import { download } from './download.ts';
import type { Environment } from './environment.ts';
import { abortError } from './http-range.ts';
import { checkedPackageFile } from './package-model.ts';
import type { ModelRecord } from './record.ts';
import { directoryOf, isCurrent, isVerbatim, mendRecord, RECORD_FILE } from './record.ts';
import { ShardHasher } from './shard-hasher.ts';

interface CheckOptions {
  signal?: AbortSignal;
  onProgress?: (bytesDone: number, bytesTotal: number) => void;
}

export interface VerifyOptions extends CheckOptions {
  /** The source's own bytes, when the person has given the file again. */
  source?: (start: number, bytes: number) => Promise<Uint8Array<ArrayBuffer>>;
}

/** A shard, and where it begins in the source. */
export interface PlacedShard {
  file: string;
  start: number;
  bytes: number;
  sha256: string;
}

/** What a person reads when a record was brought back. */
export function mended({ name }: ModelRecord): string {
  return `The damaged record of ${name} was found and repaired.`;
}

/** Thrown when a damaged shard can only come from what the person has. */
export class SourceNeeded extends LapisError {
  constructor(source: 'file' | 'folder') {
    super('corrupt', `choose its ${source} again in the settings.`);
  }
}

/** A repair is asked for while somebody waits for the model: two failures are the end of it. */
const ATTEMPTS = 2;

/** The shards whose stored bytes do not have their hash. */
export async function* damagedShards(
  { files }: Environment,
  record: ModelRecord,
  { signal, onProgress }: CheckOptions,
): AsyncGenerator<PlacedShard> {
  const hasher = new ShardHasher(files, directoryOf(record.id));
  let start = 0;
  try {
    for (const shard of record.shards) {
      if (signal?.aborted) throw abortError(signal);
      if ((await hasher.hex(shard.file, shard.bytes)) !== shard.sha256) yield { ...shard, start };
      start += shard.bytes;
      onProgress?.(start, record.bytes);
    }
  } finally {
    hasher.close();
  }
}

/**
 * Brings a shard back from where the model came from, and says from where that was.
 *
 * @throws LapisError `corrupt` when only the person has the source (SourceNeeded), or it gives other bytes; `network`, `quota`
 */
export async function restoreShard(
  env: Environment,
  { id, name, origin, bytes: total }: ModelRecord,
  shard: PlacedShard,
  { signal, source }: VerifyOptions,
): Promise<string> {
  if (source) {
    await env.files.write(directoryOf(id), shard.file, await source(shard.start, shard.bytes));
    return 'its file';
  }
  if (origin.kind === 'file' || origin.kind === 'folder') throw new SourceNeeded(origin.kind);
  if (origin.kind === 'package') {
    const bytes = await checkedPackageFile({ ...env, path: origin.path, signal }, shard.file, shard.sha256);
    await env.files.write(directoryOf(id), shard.file, bytes);
    return 'the extension';
  }
  const { hostname } = new URL(origin.url);
  const bytes = new Uint8Array(shard.bytes);
  const range = { url: origin.url, offset: shard.start, end: shard.start + shard.bytes, total };
  let at = 0;
  for await (const piece of download(range, { ...env, signal, attempts: ATTEMPTS })) {
    bytes.set(piece, at);
    at += piece.length;
  }
  if ((await sha256Hex(bytes)) !== shard.sha256) {
    throw new LapisError('corrupt', `${hostname} sends other bytes: remove ${name} and download it again.`);
  }
  await env.files.write(directoryOf(id), shard.file, bytes);
  return hostname;
}

/**
 * Brings back what is damaged of a verbatim model, and derives the rest anew where it is damaged or of another schema version.
 *
 * @throws LapisError what `restoreShard` and `derive` throw; what was stored stays
 */
export async function makeWhole(env: Environment, record: ModelRecord, options: VerifyOptions): Promise<ModelRecord> {
  for await (const shard of damagedShards(env, record, options)) await restoreShard(env, record, shard, options);
  const current = isCurrent(record, env.recipe);
  if (current && (await derivedIsWhole(env, record))) return record;
  const derived = await derive(env, record, Promise.resolve(record.sha256), options.signal);
  // How another version answered says nothing about this one. The old record stands until this one takes its place: cut off in
  // between, the next start derives again.
  return completeRecord(env, { ...record, ...derived, ...(!current && { probe: undefined }) });
}

/**
 * Hashes every file of a stored model and brings back what is damaged: shards from where it came from, what is derived from
 * them by deriving it. Sentences for a person, and the record, which may have changed.
 *
 * @throws LapisError `aborted`
 */
export async function verifyModel(
  env: Environment,
  record: ModelRecord,
  options: VerifyOptions = {},
): Promise<VerifyResult & { record: ModelRecord }> {
  const { name } = record;
  const damaged: string[] = [];
  const repaired: string[] = [];
  const attempt = async (what: string, repair: () => Promise<string>) => {
    try {
      repaired.push(await repair());
      damaged.push(`${what} was damaged.`);
    } catch (error) {
      if (options.signal?.aborted) throw abortError(options.signal);
      damaged.push(`${what} is damaged: ${LapisError.from(error).message}`);
    }
  };
  // A full disk costs the copy, not the check.
  if (await mendRecord(env.files, RECORD_FILE, record).catch(() => false)) {
    repaired.push(mended(record));
    damaged.push(`The record of ${name} was damaged.`);
  }
  for await (const shard of damagedShards(env, record, options)) {
    await attempt(`A part of ${name} (${shard.file})`, async () => {
      const from = await restoreShard(env, record, shard, options);
      return `A damaged part of ${name} (${shard.file}) was found and repaired from ${from}.`;
    });
  }
  let current = record;
  if (!(await derivedIsWhole(env, record))) {
    await attempt(`The manifest of ${name}`, async () => {
      if (damaged.length > repaired.length) throw new LapisError('corrupt', 'so are the parts that it is made from.');
      current = await deriveAgain(env, record, options.signal);
      return `The damaged manifest of ${name} was found and made anew.`;
    });
  }
  return { damaged, repaired, record: current };
}

async function derivedIsWhole({ files }: Environment, record: ModelRecord): Promise<boolean> {
  const directory = directoryOf(record.id);
  const manifest = await files.read(directory, MANIFEST_FILE);
  if (!manifest || (await sha256Hex(manifest)) !== record.manifestSha256) return false;
  if (!record.norms) return true;
  const norms = await files.read(directory, NORMS_FILE);
  return norms !== undefined && (await sha256Hex(norms)) === record.norms.sha256;
}

async function deriveAgain(env: Environment, record: ModelRecord, signal?: AbortSignal): Promise<ModelRecord> {
  const { id, origin, manifestSha256 = '' } = record;
  if (origin.kind === 'package') {
    const bytes = await checkedPackageFile({ ...env, path: origin.path, signal }, MANIFEST_FILE, manifestSha256);
    await env.files.write(directoryOf(id), MANIFEST_FILE, bytes);
    return record;
  }
  if (!isVerbatim(record)) throw new LapisError('corrupt', `choose its folder again in the settings.`);
  return completeRecord(env, { ...record, ...(await derive(env, record, Promise.resolve(record.sha256), signal)) });
}
