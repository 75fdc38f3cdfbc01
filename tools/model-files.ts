import { readdir, rename, stat, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { type GgufModelSource, openGguf } from '../src/model/gguf.ts';
import { type FileFolder, openHuggingFace } from '../src/model/huggingface.ts';
import { MANIFEST_FILE } from '../src/model/manifest.ts';
import { openShards, type ShardFolder } from '../src/model/shards.ts';
import type { ModelSource } from '../src/model/source.ts';
import { LapisError } from '../src/protocol/errors.ts';
import { fileSource } from './file-source.ts';

/** What a MODEL argument of the command line turned out to be. */
export type OpenedModel =
  | { kind: 'gguf'; model: GgufModelSource }
  | { kind: 'huggingface'; model: ModelSource }
  | { kind: 'shards'; model: ModelSource };

/** A directory on disk, as shards are written to and read from. */
export function shardFolder(path: string): ShardFolder {
  return {
    async write(name, bytes) {
      // Under another name until it is whole, so that a crash never leaves half a file that looks like a shard or a manifest.
      const partial = join(path, `${name}.partial`);
      await writeFile(partial, bytes);
      await rename(partial, join(path, name));
    },
    async read(name) {
      const file = join(path, name);
      if (!(await stat(file).catch(() => undefined))) throw new LapisError('corrupt', `${name} is missing in ${path}.`);
      return fileSource(file);
    },
  };
}

/** A directory on disk as a Hugging Face folder. */
function fileFolder(path: string): FileFolder {
  return {
    async open(name) {
      const file = join(path, name);
      return (await stat(file).catch(() => undefined))?.isFile() ? fileSource(file) : undefined;
    },
  };
}

/** Like openModel, and says which of the three kinds it was. */
export async function identifyModel(path: string, signal?: AbortSignal): Promise<OpenedModel> {
  const stats = await stat(path).catch(() => undefined);
  if (!stats) throw new LapisError('bad-request', `There is no model at ${path}.`);
  const id = basename(resolve(path)).replace(/\.gguf$/i, '');
  if (stats.isFile()) return { kind: 'gguf', model: await openGguf(await fileSource(path), { id, signal }) };
  const names = new Set(await readdir(path));
  if (names.has(MANIFEST_FILE)) return { kind: 'shards', model: await openShards(shardFolder(path), signal) };
  if (names.has('config.json')) {
    return { kind: 'huggingface', model: await openHuggingFace(fileFolder(path), { id, signal }) };
  }
  throw new LapisError(
    'bad-request',
    `The folder ${path} holds no model: it has neither ${MANIFEST_FILE} (shards) nor config.json (Hugging Face).`,
  );
}

/**
 * Opens a MODEL argument of the command line: a `.gguf` file, a Hugging Face folder or a shard folder. Errors: `bad-request`
 * when there is no such thing, and those of the readers.
 */
export async function openModel(path: string, signal?: AbortSignal): Promise<ModelSource> {
  return (await identifyModel(path, signal)).model;
}
