import { MANIFEST_FILE } from '../model/manifest.ts';
import { sha256Hex } from '../model/shards.ts';
import { LapisError } from '../protocol/errors.ts';
import type { Fetch } from './download.ts';
import { download } from './download.ts';
import type { FileStore } from './file-store.ts';
import { completeGguf } from './gguf-ingest.ts';
import { checkedPackageFile } from './package-model.ts';
import type { ModelRecord } from './record.ts';
import { directoryOf } from './record.ts';

export interface RepairEnvironment {
  files: FileStore;
  fetch: Fetch;
  packageUrl: (path: string) => string;
  shardBytes?: number;
  signal?: AbortSignal;
}

/**
 * Hashes every file of a stored model, brings back the damaged ones from where the model came from, and says so in a sentence for
 * each; none when nothing was damaged.
 *
 * @throws LapisError `corrupt` when the source is a file that only the person has, or gives other bytes; `network`
 */
export async function repairModel(record: ModelRecord, environment: RepairEnvironment): Promise<string[]> {
  const { files, signal } = environment;
  const directory = directoryOf(record.id);
  const notices: string[] = [];
  let start = 0;
  for (const { file, bytes: length, sha256 } of record.shards) {
    if (signal?.aborted) throw new LapisError('aborted', 'The check of the stored model was cancelled.');
    const stored = await files.read(directory, file);
    if (stored?.length !== length || (await sha256Hex(stored)) !== sha256) {
      const { bytes, from } = await fetchShard(record, { file, start, bytes: length, sha256 }, environment);
      await files.write(directory, file, bytes);
      notices.push(`A damaged part of ${record.name} (${file}) was found and repaired from ${from}.`);
    }
    start += length;
  }
  const manifest = await files.read(directory, MANIFEST_FILE);
  if (!manifest || (await sha256Hex(manifest)) !== record.manifestSha256) {
    if (record.origin.kind === 'package') {
      const source = { ...environment, path: record.origin.path };
      const bytes = await checkedPackageFile(source, MANIFEST_FILE, record.manifestSha256 ?? '');
      await files.write(directory, MANIFEST_FILE, bytes);
    } else await completeGguf(files, record, environment);
    notices.push(`The damaged manifest of ${record.name} was found and made anew.`);
  }
  return notices;
}

interface DamagedShard {
  file: string;
  /** In the source. */
  start: number;
  bytes: number;
  sha256: string;
}

async function fetchShard(
  { origin, name }: ModelRecord,
  shard: DamagedShard,
  environment: RepairEnvironment,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; from: string }> {
  if (origin.kind === 'file' || origin.kind === 'folder') {
    throw new LapisError(
      'corrupt',
      `The stored copy of ${name} is damaged (${shard.file}): choose its ${origin.kind} again in the settings.`,
    );
  }
  if (origin.kind === 'package') {
    const source = { ...environment, path: origin.path };
    return { bytes: await checkedPackageFile(source, shard.file, shard.sha256), from: 'the extension' };
  }
  const from = new URL(origin.url).hostname;
  const bytes = new Uint8Array(shard.bytes);
  let at = 0;
  for await (const piece of download(origin.url, shard.start, shard.start + shard.bytes, environment)) {
    bytes.set(piece, at);
    at += piece.length;
  }
  if ((await sha256Hex(bytes)) !== shard.sha256) {
    throw new LapisError(
      'corrupt',
      `The stored copy of ${name} is damaged (${shard.file}), and ${from} sends other bytes: remove it and download it again.`,
    );
  }
  return { bytes, from };
}
