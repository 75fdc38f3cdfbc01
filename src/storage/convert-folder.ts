import { convertModel } from '../model/convert.ts';
import type { ConvertedPart } from '../model/converted-part.ts';
import { OtherWeights } from '../model/converted-part.ts';
import { openHuggingFace } from '../model/huggingface.ts';
import { MANIFEST_FILE } from '../model/manifest.ts';
import { openShards, readManifest, sha256Hex } from '../model/shards.ts';
import { completeRecord, summaryOf } from './derive.ts';
import type { Environment } from './environment.ts';
import { sourceIn } from './folder-handle.ts';
import { abortError } from './http-range.ts';
import type { IngestOptions } from './ingest.ts';
import type { ModelRecord } from './record.ts';
import { directoryOf, isCurrent, JOURNAL_FILE, newJournal, readRecord, writeRecord } from './record.ts';
import { deletingOnFailure, replaceModel } from './replace-model.ts';
import { ShardHasher } from './shard-hasher.ts';
import { ggufSpace, requireSpace } from './space.ts';
import { storedFolder } from './stored-folder.ts';

/** What weights of a Hugging Face folder become. */
const QUANTIZATION = 'q4_k_m';

/** What a folder whose shards are no published file's bytes is stored as. */
export type ConvertedModel = Pick<ModelRecord, 'id' | 'name' | 'license' | 'origin'>;

/**
 * Stores the model of a Hugging Face folder, quantized as `convert` does. Shards that an attempt which was cut off has left are kept
 * if they were made from these very weights. What a failure leaves is deleted, but for a
 * file's that can no longer be read.
 *
 * @throws LapisError `corrupt`, `not-gemma`, `unsupported`, `quota`, `aborted`
 */
export async function convertFolder(
  env: Environment,
  model: ConvertedModel,
  directory: FileSystemDirectoryHandle,
  { signal, onProgress }: IngestOptions,
): Promise<ModelRecord> {
  const { id, name, origin } = model;
  const source = await openHuggingFace({ open: (file) => sourceIn(directory, file) }, { id, signal });
  const target = directoryOf(id);
  const bytes = source.tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  const needed = { name, bytes: ggufSpace(Math.ceil(bytes / 2)) };
  const convert = async (kept?: ConvertedPart) => {
    await convertModel(storedFolder(env.files, target), source, {
      modelId: id,
      quantization: QUANTIZATION,
      shardBytes: env.shardBytes,
      kept,
      signal,
      onProgress: (progress) => onProgress?.(progress.bytesDone, progress.bytesTotal),
      onPart: ({ bytes, shards, sourceSha256 }) => {
        const journal = newJournal(model, origin, bytes, env.recipe.schemaVersion);
        return writeRecord(env.files, JOURNAL_FILE, { ...journal, shards: [...shards], madeFrom: sourceSha256 });
      },
    });
    return completeConverted(env, model, signal);
  };
  const kept = await keptPart(env, id, signal);
  if (kept) {
    const stored = kept.shards.reduce((sum, shard) => sum + shard.bytes, 0);
    await requireSpace(env.files, { ...needed, stored });
    try {
      return await deletingOnFailure(env.files, target, needed, () => convert(kept));
    } catch (error) {
      if (!(error instanceof OtherWeights)) throw error;
    }
  }
  return replaceModel(env.files, target, needed, () => convert());
}

/** Makes a model of a directory in which its shards and their manifest are. */
export async function completeConverted(
  env: Environment,
  model: ConvertedModel,
  signal: AbortSignal | undefined,
): Promise<ModelRecord> {
  const folder = storedFolder(env.files, directoryOf(model.id));
  const { shards } = await readManifest(folder, signal);
  const manifest = await folder.read(MANIFEST_FILE);
  const bytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
  return completeRecord(env, {
    ...newJournal(model, model.origin, bytes, env.recipe.schemaVersion),
    shards,
    manifestSha256: await sha256Hex(await manifest.read(0, manifest.size)),
    summary: summaryOf(await openShards(folder, signal)),
  });
}

/** What a conversion that was cut off has stored, if all of it is as it was written and this version makes it so. */
async function keptPart(
  { files, recipe }: Environment,
  id: string,
  signal: AbortSignal | undefined,
): Promise<ConvertedPart | undefined> {
  const directory = directoryOf(id);
  const journal = await readRecord(files, directory, JOURNAL_FILE);
  if (!journal || journal === 'damaged' || !journal.madeFrom || !isCurrent(journal, recipe)) return undefined;
  const { bytes, shards, madeFrom } = journal;
  const hasher = new ShardHasher(files, directory);
  try {
    for (const shard of shards) {
      if (signal?.aborted) throw abortError(signal);
      if ((await hasher.hex(shard.file, shard.bytes)) !== shard.sha256) return undefined;
    }
  } finally {
    hasher.close();
  }
  return { bytes, shards, sourceSha256: madeFrom };
}
