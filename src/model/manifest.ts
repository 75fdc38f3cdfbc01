import * as v from 'valibot';
import { LapisError } from '../protocol/errors.ts';
import { cutBytes } from './chunks.ts';
import type { Gemma3Config } from './config.ts';
import { checkConfig, checkTensors } from './gemma3-tensors.ts';
import { MANIFEST_LIMITS } from './limits.ts';
import { isNorm } from './norm.ts';
import { WEIGHTS_SCHEMA_VERSION } from './schema-version.ts';
import { TENSOR_TYPES, type TensorType, tensorBytes } from './tensor.ts';
import type { TokenizerData } from './tokenizer-data.ts';
import { describeIssue } from './untrusted-json.ts';
import { checkTokenizer } from './vocabulary.ts';

/** The largest shard, bytes: what a reader may have to hold in memory while it hashes one. */
export const SHARD_BYTES = 64 * 1024 * 1024;

export const MANIFEST_FILE = 'manifest.json';

/** How `convert` may quantize a Hugging Face folder: llama.cpp's names. */
export const QUANTIZATIONS = ['q4_k_m', 'q4_0', 'q5_0', 'q8_0', 'f16'] as const;

export type Quantization = (typeof QUANTIZATIONS)[number];

/** What the shards were made from. A GGUF's shards are its bytes, unchanged: joined they hash to `sha256`. */
export type ManifestSource =
  | { kind: 'gguf'; bytes: number; sha256?: string }
  | { kind: 'huggingface'; quantization: Quantization };

export interface ManifestShard {
  /** `shard-00000.bin` */
  file: string;
  bytes: number;
  /** Lower-case hexadecimal. */
  sha256: string;
}

interface ManifestPart {
  /** Index into `shards`. */
  shard: number;
  /** In the shard. */
  offset: number;
  bytes: number;
}

export interface ManifestTensor {
  name: string;
  type: TensorType;
  shape: number[];
  /** In order of their place in the tensor. */
  parts: ManifestPart[];
}

/** `manifest.json` of a shard folder. It is written last: a folder without one is not a model. */
export interface Manifest {
  schemaVersion: number;
  modelId: string;
  /** Norm weights are the factors that a kernel multiplies by (see norm.ts). */
  norm: 'effective';
  source: ManifestSource;
  config: Gemma3Config;
  tokenizer: TokenizerData;
  shards: ManifestShard[];
  tensors: ManifestTensor[];
}

/** Name of shard `index`. */
export function shardFile(index: number): string {
  return `shard-${String(index).padStart(5, '0')}.bin`;
}

const natural = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));
const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

// Checked in one go: a schema for each of 262,144 pieces would take longer than reading the file.
const texts = v.custom<string[]>((x) => Array.isArray(x) && x.every((item) => typeof item === 'string'), 'not texts');
const numbers = v.custom<number[]>(
  (x) => Array.isArray(x) && x.every((item) => typeof item === 'number'),
  'not numbers',
);

const schema = v.object({
  schemaVersion: natural,
  modelId: v.pipe(v.string(), v.minLength(1), v.maxLength(MANIFEST_LIMITS.idLength)),
  norm: v.literal('effective'),
  source: v.variant('kind', [
    v.object({ kind: v.literal('gguf'), bytes: natural, sha256: v.optional(sha256) }),
    v.object({ kind: v.literal('huggingface'), quantization: v.picklist(QUANTIZATIONS) }),
  ]),
  config: v.object({
    hiddenSize: natural,
    feedForwardSize: natural,
    layerCount: natural,
    headCount: natural,
    kvHeadCount: natural,
    headDim: natural,
    vocabularySize: natural,
    contextLength: natural,
    rmsNormEpsilon: positive,
    queryScale: positive,
    slidingWindow: natural,
    slidingWindowPattern: natural,
    ropeThetaGlobal: positive,
    ropeThetaLocal: positive,
    ropeScaleGlobal: positive,
  }),
  tokenizer: v.object({
    type: v.literal('sentencepiece-bpe'),
    tokens: texts,
    scores: numbers,
    types: numbers,
    bos: natural,
    eos: natural,
    pad: natural,
    unknown: natural,
    stop: v.array(natural),
  }),
  shards: v.pipe(
    v.array(
      v.object({
        file: v.pipe(v.string(), v.regex(/^shard-\d{5}\.bin$/)),
        bytes: v.pipe(natural, v.minValue(1), v.maxValue(SHARD_BYTES)),
        sha256,
      }),
    ),
    v.maxLength(MANIFEST_LIMITS.shards),
  ),
  tensors: v.array(
    v.object({
      name: v.string(),
      type: v.picklist(Object.keys(TENSOR_TYPES) as TensorType[]),
      shape: v.pipe(v.array(v.pipe(natural, v.minValue(1))), v.minLength(1), v.maxLength(4)),
      parts: v.pipe(v.array(v.object({ shard: natural, offset: natural, bytes: natural })), v.minLength(1)),
    }),
  ),
});

function damaged(what: string): LapisError {
  return new LapisError('corrupt', `The manifest is damaged: ${what}.`);
}

function checkParts(tensor: ManifestTensor, shards: readonly ManifestShard[]): void {
  const { name, type, shape, parts } = tensor;
  if (shape[shape.length - 1] % TENSOR_TYPES[type].blockSize !== 0)
    throw damaged(`the rows of ${name} are no whole blocks`);
  let total = 0;
  parts.forEach(({ shard, offset, bytes }, i) => {
    if (shard >= shards.length || offset + bytes > shards[shard].bytes)
      throw damaged(`a part of ${name} lies outside its shard`);
    if (i > 0 && shard <= parts[i - 1].shard) throw damaged(`the parts of ${name} are out of order`);
    if (bytes === 0 || (i < parts.length - 1 && bytes % cutBytes(tensor) !== 0))
      throw damaged(`a part of ${name} is cut in a row`);
    total += bytes;
  });
  const count = shape.reduce((a, b) => a * b, 1);
  if (total !== tensorBytes(type, count))
    throw damaged(`${name} has ${total} bytes instead of ${tensorBytes(type, count)}`);
  if (isNorm(name) && type !== 'F32') throw damaged(`the norm ${name} is not F32`);
}

/** No byte of a shard belongs to two tensors. */
function checkOverlaps({ shards, tensors }: Manifest): void {
  const byShard = shards.map((): { name: string; offset: number; end: number }[] => []);
  for (const { name, parts } of tensors) {
    for (const { shard, offset, bytes } of parts) byShard[shard].push({ name, offset, end: offset + bytes });
  }
  for (const parts of byShard) {
    parts.sort((a, b) => a.offset - b.offset);
    for (let i = 1; i < parts.length; i++) {
      if (parts[i].offset < parts[i - 1].end) throw damaged(`${parts[i - 1].name} and ${parts[i].name} overlap`);
    }
  }
}

/**
 * Checks a parsed `manifest.json`. Errors: `stale` when it was made under another schema version (whatever else it holds),
 * `corrupt` naming what does not fit.
 */
export function parseManifest(value: unknown): Manifest {
  const version = (value as Partial<Manifest> | null)?.schemaVersion;
  if (typeof version === 'number' && version !== WEIGHTS_SCHEMA_VERSION) {
    throw new LapisError(
      'stale',
      `The model was stored under schema version ${version}; this version of Lapis reads ${WEIGHTS_SCHEMA_VERSION}.`,
    );
  }
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (!result.success) throw damaged(describeIssue(result.issues));
  const manifest: Manifest = result.output;
  checkConfig(manifest.config);
  checkTensors(manifest.config, manifest.tensors);
  for (const tensor of manifest.tensors) checkParts(tensor, manifest.shards);
  checkOverlaps(manifest);
  manifest.shards.forEach(({ file }, i) => {
    if (file !== shardFile(i)) throw damaged(`shard ${i} is called ${file}`);
  });
  const { tokens, scores, types } = manifest.tokenizer;
  for (const [name, list] of Object.entries({ tokens, scores, types })) {
    if (list.length !== manifest.config.vocabularySize) throw damaged(`the tokenizer has ${list.length} ${name}`);
  }
  const { source } = manifest;
  if (source.kind === 'gguf' && source.bytes !== manifest.shards.reduce((sum, { bytes }) => sum + bytes, 0)) {
    throw damaged(`the shards do not have the ${source.bytes} bytes of their source`);
  }
  checkTokenizer(manifest.tokenizer, manifest.config.vocabularySize);
  return manifest;
}
