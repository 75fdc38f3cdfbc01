import { deriveNorms, NORMS_FILE } from '../model/derived-norms.ts';
import type { GgufModelSource } from '../model/gguf.ts';
import { openGguf } from '../model/gguf.ts';
import type { Manifest } from '../model/manifest.ts';
import { MANIFEST_FILE } from '../model/manifest.ts';
import { planShards, sha256Hex } from '../model/shards.ts';
import type { ModelSource } from '../model/source.ts';
import { LapisError } from '../protocol/errors.ts';
import type { Environment } from './environment.ts';
import { withJoined } from './joined-files.ts';
import { PROGRESS_FILE } from './progress-log.ts';
import type { ModelRecord } from './record.ts';
import {
  directoryOf,
  JOURNAL_FILE,
  OFFER_FILE,
  PAUSED_FILE,
  RECORD_FILE,
  removeRecord,
  writeRecord,
} from './record.ts';

/** Elements of a long array that are made into text at once. */
const SLICE = 8192;

type Derived = Pick<ModelRecord, 'schemaVersion' | 'sha256' | 'manifestSha256' | 'norms' | 'summary'>;

/**
 * Makes all that is derived from a GGUF's stored shards: the manifest and the effective norms. The model becomes servable only
 * by `completeRecord`. `sha256`, of the whole file, may still be on its way.
 *
 * @throws LapisError `corrupt`, `not-gemma`, `unsupported`, `quota`, `aborted`; `stale` when the shards are cut otherwise than
 * this version cuts
 */
export async function derive(
  { files, recipe, shardBytes }: Environment,
  journal: ModelRecord,
  sha256: Promise<string | undefined>,
  signal?: AbortSignal,
): Promise<Derived> {
  const directory = directoryOf(journal.id);
  const names = journal.shards.map(({ file }) => file);
  return withJoined(files, directory, names, async (joined) => {
    const model = await openGguf(joined, { id: journal.id, signal });
    const { shards, tensors } = planShards({ bytes: joined.size, tensors: model.tensors }, shardBytes);
    const fits = shards.every(({ bytes }, index) => journal.shards[index]?.bytes === bytes);
    if (!fits || shards.length !== journal.shards.length) {
      throw new LapisError('stale', `The stored shards of ${journal.name} are cut otherwise than this Lapis cuts.`);
    }
    const norms = await deriveNorms(model, recipe, signal);
    await files.write(directory, NORMS_FILE, norms);
    const whole = await sha256;
    const manifest = manifestOf(model, journal, tensors, whole);
    await files.write(directory, MANIFEST_FILE, manifest);
    return {
      schemaVersion: recipe.schemaVersion,
      sha256: whole,
      manifestSha256: await sha256Hex(manifest),
      norms: { bytes: norms.length, sha256: await sha256Hex(norms) },
      summary: summaryOf(model),
    };
  });
}

/** What a list of models shows of one. */
export function summaryOf({ tensors, config }: Pick<ModelSource, 'tensors' | 'config'>): ModelRecord['summary'] {
  const types = new Map<string, number>();
  let parameters = 0;
  for (const { type, shape, bytes } of tensors) {
    parameters += shape.reduce((a, b) => a * b, 1);
    types.set(type, (types.get(type) ?? 0) + bytes);
  }
  return {
    parameters,
    types: Array.from(types, ([type, bytes]) => ({ type, bytes })).sort((a, b) => b.bytes - a.bytes),
    config,
  };
}

/** Writes the record that makes a model servable, whose manifest and shards are in place. */
export async function completeRecord({ files }: Environment, record: ModelRecord): Promise<ModelRecord> {
  const directory = directoryOf(record.id);
  await writeRecord(files, RECORD_FILE, record);
  for (const file of [JOURNAL_FILE, OFFER_FILE] as const) await removeRecord(files, directory, file);
  for (const file of [PROGRESS_FILE, PAUSED_FILE]) await files.removeFile(directory, file);
  return record;
}

function manifestOf(
  model: GgufModelSource,
  journal: ModelRecord,
  tensors: Manifest['tensors'],
  sha256: string | undefined,
): Uint8Array<ArrayBuffer> {
  const manifest: Manifest = {
    schemaVersion: model.schemaVersion,
    modelId: journal.id,
    norm: 'effective',
    source: { kind: 'gguf', bytes: journal.bytes, sha256 },
    config: model.config,
    tokenizer: model.tokenizer,
    shards: journal.shards,
    tensors,
  };
  return encoded(manifest);
}

/** What `JSON.stringify` gives, in pieces: as one text with the vocabulary in it, it takes many times its bytes. */
function* json(value: unknown): Generator<string> {
  if (Array.isArray(value) && value.length > SLICE) {
    for (let at = 0; at < value.length; at += SLICE) {
      yield `${at === 0 ? '[' : ','}${JSON.stringify(value.slice(at, at + SLICE)).slice(1, -1)}`;
    }
    yield ']';
  } else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    let separator = '{';
    for (const [key, member] of Object.entries(value)) {
      if (member === undefined) continue;
      yield `${separator}${JSON.stringify(key)}:`;
      yield* json(member);
      separator = ',';
    }
    yield separator === '{' ? '{}' : '}';
  } else yield JSON.stringify(value);
}

function encoded(manifest: Manifest): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const pieces: Uint8Array[] = [];
  for (const text of json(manifest)) pieces.push(encoder.encode(text));
  pieces.push(encoder.encode('\n'));
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
