import type { Manifest } from '../model/manifest.ts';
import { MANIFEST_FILE, parseManifest } from '../model/manifest.ts';
import { openShards, sha256Hex } from '../model/shards.ts';
import { LapisError } from '../protocol/errors.ts';
import type { PackageOrigin } from './catalogue.ts';
import { summaryOf } from './derive.ts';
import type { Environment } from './environment.ts';
import type { Fetch } from './http-range.ts';
import type { IngestOptions } from './ingest.ts';
import type { ModelRecord } from './record.ts';
import { directoryOf, newJournal } from './record.ts';
import { replaceModel } from './replace-model.ts';
import { storedFolder } from './stored-folder.ts';

/** A shard folder inside the extension's package. */
export interface PackageSource {
  fetch: Fetch;
  packageUrl: (path: string) => string;
  path: string;
  signal?: AbortSignal;
}

interface PackagedManifest {
  manifest: Manifest;
  bytes: Uint8Array<ArrayBuffer>;
  sha256: string;
}

/** The folder's manifest and its bytes. @throws LapisError `no-model` when there is none, `stale`, `corrupt` */
export async function packageManifest(source: PackageSource): Promise<PackagedManifest> {
  const bytes = await packageFile(source, MANIFEST_FILE);
  const sha256 = await sha256Hex(bytes);
  return { manifest: parseManifest(parseJson(bytes)), bytes, sha256 };
}

/** A file of the folder, unchecked. @throws LapisError `no-model` when it is not there */
async function packageFile(
  { fetch, packageUrl, path, signal }: PackageSource,
  file: string,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const response = await fetch(packageUrl(`${path}/${file}`), { signal });
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    if (signal?.aborted) throw new LapisError('aborted', 'The operation was cancelled.', { cause: error });
    // Chrome answers a missing package file with a network error, not with 404.
  }
  throw new LapisError('no-model', `The extension's package has no ${path}/${file}.`);
}

/** A file of the folder. @throws LapisError `corrupt` when the package itself is damaged, `no-model` */
export async function checkedPackageFile(
  source: PackageSource,
  file: string,
  sha256: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await packageFile(source, file);
  if ((await sha256Hex(bytes)) !== sha256) {
    throw new LapisError(
      'corrupt',
      `The file ${source.path}/${file} of the extension's package is not as it should be.`,
    );
  }
  return bytes;
}

/**
 * Copies the folder's files into storage in the place of an older copy, and says what the record of it is.
 *
 * @throws LapisError `quota`, `corrupt`, `aborted`
 */
export async function copyPackaged(
  env: Environment,
  model: Pick<ModelRecord, 'id' | 'name' | 'license'>,
  origin: PackageOrigin,
  { manifest, bytes, sha256 }: PackagedManifest,
  { signal, onProgress }: IngestOptions,
): Promise<ModelRecord> {
  const directory = directoryOf(model.id);
  const source = { ...env, path: origin.path, signal };
  const total = manifest.shards.reduce((sum, shard) => sum + shard.bytes, 0);
  return replaceModel(env.files, directory, { name: model.name, bytes: total + bytes.length }, async () => {
    let done = 0;
    for (const shard of manifest.shards) {
      await env.files.write(directory, shard.file, await checkedPackageFile(source, shard.file, shard.sha256));
      done += shard.bytes;
      onProgress?.(done, total);
    }
    await env.files.write(directory, MANIFEST_FILE, bytes);
    return {
      ...newJournal(model, origin, total, env.recipe.schemaVersion),
      shards: manifest.shards,
      manifestSha256: sha256,
      summary: summaryOf(await openShards(storedFolder(env.files, directory), signal)),
    };
  });
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new LapisError('corrupt', "The model manifest in the extension's package is damaged: install Lapis again.", {
      cause: error,
    });
  }
}
