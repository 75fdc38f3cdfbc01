import * as v from 'valibot';
import { MANIFEST_FILE, SHARD_BYTES } from '../model/manifest.ts';
import { readManifest, sha256Hex } from '../model/shards.ts';
import { LapisError } from '../protocol/errors.ts';
import { GEMMA_TERMS } from './catalogue.ts';
import { chosenSource } from './chosen-file.ts';
import type { ConvertedModel } from './convert-folder.ts';
import { completeConverted, convertFolder } from './convert-folder.ts';
import type { Environment } from './environment.ts';
import { fileIn, sourceIn, sourceOf } from './folder-handle.ts';
import { originIn } from './folder-origin.ts';
import { abortError } from './http-range.ts';
import type { IngestOptions } from './ingest.ts';
import { cleanName } from './names.ts';
import type { ModelRecord } from './record.ts';
import { directoryOf } from './record.ts';
import { replaceModel } from './replace-model.ts';
import { storeLocal } from './store-local.ts';
import { storedFolder } from './stored-folder.ts';

/** Gemma's manifest has 13 MB, nearly all of it the vocabulary. */
const MANIFEST_BYTES = 256 * 1024 * 1024;

/** As much of a manifest as holds under every schema version. */
const anyManifest = v.object({
  modelId: v.string(),
  source: v.object({ kind: v.string() }),
  shards: v.pipe(
    v.array(
      v.object({
        file: v.pipe(v.string(), v.regex(/^shard-\d{5}\.bin$/)),
        bytes: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(SHARD_BYTES)),
        sha256: v.string(),
      }),
    ),
    v.minLength(1),
  ),
});

type AnyManifest = v.InferOutput<typeof anyManifest>;

/**
 * Stores the model of a shard folder, whose hashes are checked as it is copied, or of a Hugging Face folder, which is quantized
 * as `convertFolder` does. What a failure leaves is deleted; shards of a GGUF are stored as `storeLocal` does.
 *
 * @throws LapisError `bad-request` for neither, `corrupt`, `stale`, `not-gemma`, `unsupported`, `quota`, `aborted`
 */
export async function importFolder(
  env: Environment,
  directory: FileSystemDirectoryHandle,
  options: IngestOptions,
): Promise<ModelRecord> {
  const manifest = await manifestIn(directory);
  if (manifest?.source.kind === 'gguf') return importGgufShards(env, directory, manifest, options);
  if (manifest) return importShards(env, directory, manifest, options);
  if (await fileIn(directory, 'config.json')) {
    return convertFolder(env, convertedModel(directory.name, directory), directory, options);
  }
  throw new LapisError(
    'bad-request',
    `The folder ${cleanName(directory.name)} holds no model: it has neither ${MANIFEST_FILE} (shards) nor config.json (Hugging Face).`,
  );
}

/** What the folder's model is stored as. @throws LapisError `corrupt` */
export async function folderModel(
  directory: FileSystemDirectoryHandle,
): Promise<Pick<ModelRecord, 'id' | 'name' | 'license'>> {
  return modelOf((await manifestIn(directory))?.modelId ?? directory.name);
}

async function manifestIn(directory: FileSystemDirectoryHandle): Promise<AnyManifest | undefined> {
  const file = await sourceIn(directory, MANIFEST_FILE);
  if (!file) return undefined;
  const bytes = file.size <= MANIFEST_BYTES && (await file.read(0, file.size));
  try {
    if (bytes) return v.parse(anyManifest, JSON.parse(new TextDecoder().decode(bytes)));
  } catch (error) {
    throw new LapisError('corrupt', `The folder's ${MANIFEST_FILE} is damaged.`, { cause: error });
  }
  throw new LapisError('corrupt', `The folder's ${MANIFEST_FILE} has ${file.size} bytes, which no manifest has.`);
}

function modelOf(name: string): Pick<ModelRecord, 'id' | 'name' | 'license'> {
  const clean = cleanName(name.replace(/^file:|\.gguf$/gi, ''));
  return { id: `folder:${clean}`, name: clean, license: GEMMA_TERMS };
}

function convertedModel(name: string, directory: FileSystemDirectoryHandle): ConvertedModel {
  return { ...modelOf(name), origin: { kind: 'folder', name: cleanName(directory.name), verbatim: false } };
}

/** Shards that are a GGUF's bytes: whatever version made the folder, all else is derived from them here. */
async function importGgufShards(
  env: Environment,
  directory: FileSystemDirectoryHandle,
  { modelId, shards }: AnyManifest,
  options: IngestOptions,
): Promise<ModelRecord> {
  const files: File[] = [];
  for (const shard of shards) files.push((await checkedShard(directory, shard, options.signal)).file);
  const origin = { kind: 'folder' as const, name: cleanName(directory.name), verbatim: true };
  const model = { ...modelOf(modelId), origin, published: await originIn(directory) };
  const source = chosenSource(new Blob(files), `The folder ${origin.name}`);
  return storeLocal(env, model, source, options);
}

/** Shards that `convert` has quantized. @throws LapisError `stale` when that was under another version */
async function importShards(
  env: Environment,
  directory: FileSystemDirectoryHandle,
  { modelId, shards }: AnyManifest,
  options: IngestOptions,
): Promise<ModelRecord> {
  const manifestFile = await sourceIn(directory, MANIFEST_FILE);
  const manifest = (await manifestFile?.read(0, manifestFile.size)) ?? new Uint8Array(0);
  const total = shards.reduce((sum, { bytes }) => sum + bytes, 0);
  const model = convertedModel(modelId, directory);
  const target = directoryOf(model.id);
  const folder = storedFolder(env.files, target);
  return replaceModel(env.files, target, { name: model.name, bytes: total + manifest.length }, async () => {
    let done = 0;
    await folder.write(MANIFEST_FILE, manifest);
    await readManifest(folder);
    for (const shard of shards) {
      await folder.write(shard.file, (await checkedShard(directory, shard, options.signal)).content);
      done += shard.bytes;
      options.onProgress?.(done, total);
    }
    return completeConverted(env, model, options.signal);
  });
}

async function checkedShard(
  directory: FileSystemDirectoryHandle,
  { file, bytes, sha256 }: AnyManifest['shards'][number],
  signal?: AbortSignal,
): Promise<{ file: File; content: Uint8Array<ArrayBuffer> }> {
  if (signal?.aborted) throw abortError(signal);
  const found = await fileIn(directory, file);
  const content = found?.size === bytes ? await sourceOf(directory, found).read(0, bytes, signal) : undefined;
  if (!found || !content || (await sha256Hex(content)) !== sha256) {
    throw new LapisError(
      'corrupt',
      `The folder is damaged: ${file} ${found ? 'does not have its SHA-256' : 'is missing'}.`,
    );
  }
  return { file: found, content };
}
