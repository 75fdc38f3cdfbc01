import type { Manifest } from '../model/manifest.ts';
import { MANIFEST_FILE, parseManifest } from '../model/manifest.ts';
import { sha256Hex } from '../model/shards.ts';
import { LapisError } from '../protocol/errors.ts';
import type { Fetch } from './download.ts';

/** A shard folder inside the extension's package. */
export interface PackageSource {
  fetch: Fetch;
  packageUrl: (path: string) => string;
  path: string;
  signal?: AbortSignal;
}

/** The folder's manifest and its bytes. @throws LapisError `no-model` when there is none, `stale`, `corrupt` */
export async function packageManifest(
  source: PackageSource,
): Promise<{ manifest: Manifest; bytes: Uint8Array<ArrayBuffer>; sha256: string }> {
  const bytes = await packageFile(source, MANIFEST_FILE);
  const sha256 = await sha256Hex(bytes);
  return { manifest: parseManifest(parseJson(bytes)), bytes, sha256 };
}

/** A file of the folder, unchecked. @throws LapisError `no-model` when it is not there */
export async function packageFile(
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

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new LapisError('corrupt', "The model manifest in the extension's package is damaged: install Lapis again.", {
      cause: error,
    });
  }
}
