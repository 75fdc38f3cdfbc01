import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import {
  memoryFolder,
  memoryShards,
  TINY_CONFIG,
  TINY_WIDE_CONFIG,
  tinyGguf,
  tinyHuggingFace,
} from '../../tests/fixtures/tiny-model.ts';
import { memorySource } from './byte-source.ts';
import { dequantize } from './codecs/registry.ts';
import type { Gemma3Config } from './config.ts';
import { convertModel, storeGguf } from './convert.ts';
import { deriveNorms, RECIPE, withNorms } from './derived-norms.ts';
import { openGguf } from './gguf.ts';
import { openHuggingFace } from './huggingface.ts';
import { type Manifest, QUANTIZATIONS } from './manifest.ts';
import digests from './schema-digests.json' with { type: 'json' };
import { WEIGHTS_SCHEMA_VERSION } from './schema-version.ts';
import { openShards, type ShardFolder, sha256Hex } from './shards.ts';

/*
 * Stored weights of another processing must never be served, and a schema version guards that only if it is raised whenever the
 * processing changes. So this makes tiny models of everything that the readers, codecs and writers can do, and compares a digest
 * of what they become with the one on record for the version.
 */

type Digests = Record<string, string>;

const VERSION_FILE = 'src/model/schema-version.ts';
const DIGEST_FILE = 'src/model/schema-digests.json';

/** Same text for the same content, whatever the order of keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item) => {
    const isRecord = typeof item === 'object' && item !== null && !Array.isArray(item);
    return isRecord ? Object.fromEntries(Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : 1))) : item;
  });
}

/** What a shard folder holds, and what its model is loaded as, with its derived norms where it has them. */
async function linesOf(folder: ShardFolder, manifest: Manifest, norms?: Uint8Array<ArrayBuffer>): Promise<string[]> {
  const { schemaVersion: _, ...rest } = manifest;
  const lines = [canonical(rest)];
  const stored = await openShards(folder);
  for await (const { tensor, offset, bytes } of (norms ? withNorms(stored, norms) : stored).weights()) {
    const values = dequantize(tensor.type, bytes);
    const hashes = await Promise.all([sha256Hex(bytes.slice()), sha256Hex(new Uint8Array(values.buffer))]);
    lines.push([tensor.name, offset, ...hashes].join(' '));
  }
  return lines;
}

async function digestOf(config: Gemma3Config): Promise<string[]> {
  const options = { modelId: 'tiny', shardBytes: 100_000 };
  const stored = memoryShards();
  const gguf = await openGguf(memorySource(tinyGguf(config)), { id: 'tiny' });
  const norms = await deriveNorms(gguf, RECIPE);
  const lines = await linesOf(stored, await storeGguf(stored, gguf, options), norms);
  const folder = await openHuggingFace(memoryFolder(tinyHuggingFace(config)), { id: 'tiny' });
  for (const quantization of QUANTIZATIONS) {
    const converted = memoryShards();
    lines.push(...(await linesOf(converted, await convertModel(converted, folder, { ...options, quantization }))));
  }
  return lines;
}

/** Every version of the digest file that was committed, oldest first; none outside a git checkout. */
function committedDigests(): Digests[] {
  const git = (...args: string[]): string =>
    execFileSync('git', args, {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  try {
    const commits = git('log', '--format=%H', '--', DIGEST_FILE).split('\n').filter(Boolean).toReversed();
    return commits.map((commit) => JSON.parse(git('show', `${commit}:${DIGEST_FILE}`)));
  } catch {
    return [];
  }
}

/** What has to be done about the record, as a sentence; undefined when it is right. */
function complaint(
  version: number,
  digest: string,
  recorded: Digests,
  committed: readonly Digests[],
): string | undefined {
  for (const [old, oldDigest] of committed.flatMap((entries) => Object.entries(entries))) {
    if (recorded[old] !== oldDigest) {
      return (
        `The entry "${old}" of ${DIGEST_FILE} was committed as "${oldDigest}" and has been changed or removed since. ` +
        `Entries are never changed: restore it, raise WEIGHTS_SCHEMA_VERSION in ${VERSION_FILE} and add an entry for the new version.`
      );
    }
  }
  const wanted = Array.from({ length: version }, (_, i) => String(i + 1)).join();
  if (recorded[version] !== undefined && recorded[version] !== digest) {
    return (
      `What a model becomes has changed, but WEIGHTS_SCHEMA_VERSION is still ${version}, so stored models of the old processing ` +
      `would be served. Set it to ${version + 1} in ${VERSION_FILE} and add "${version + 1}": "${digest}" to ${DIGEST_FILE}.`
    );
  }
  if (recorded[version] === undefined) return `Add "${version}": "${digest}" to ${DIGEST_FILE}.`;
  if (Object.keys(recorded).join() !== wanted) {
    return `${DIGEST_FILE} has the entries ${Object.keys(recorded).join()}, but should have ${wanted}.`;
  }
  return undefined;
}

test('what a model becomes is on record under the present schema version', async () => {
  const lines = [...(await digestOf(TINY_CONFIG)), ...(await digestOf(TINY_WIDE_CONFIG))];
  const digest = await sha256Hex(new TextEncoder().encode(lines.join('\n')));
  expect(complaint(WEIGHTS_SCHEMA_VERSION, digest, digests, committedDigests())).toBeUndefined();
});

describe('the complaint', () => {
  const committed: Digests[] = [{ 1: 'a' }, { 1: 'a', 2: 'b' }];

  test.each<[string, number, string, Digests, string | undefined]>([
    ['says nothing when all is right', 2, 'b', { 1: 'a', 2: 'b' }, undefined],
    ['says nothing about a new version with its entry', 3, 'c', { 1: 'a', 2: 'b', 3: 'c' }, undefined],
    ['asks for a new version when the processing changed', 2, 'c', { 1: 'a', 2: 'b' }, 'Set it to 3'],
    ['asks for the entry of a new version', 3, 'c', { 1: 'a', 2: 'b' }, 'Add "3": "c"'],
    ['refuses a changed entry', 2, 'c', { 1: 'a', 2: 'c' }, 'was committed as "b"'],
    ['refuses a removed entry', 2, 'b', { 2: 'b' }, 'was committed as "a"'],
    ['refuses an entry ahead of the version', 2, 'b', { 1: 'a', 2: 'b', 3: 'c' }, 'should have 1,2'],
  ])('%s', (_, version, digest, recorded, expected) => {
    const said = complaint(version, digest, recorded, committed);
    if (expected === undefined) expect(said).toBeUndefined();
    else expect(said).toContain(expected);
  });
});
