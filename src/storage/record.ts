import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import * as v from 'valibot';
import type { Gemma3Config } from '../model/config.ts';
import type { FileStore } from './file-store.ts';

/*
 * A model's directory is a shard folder (src/model/shards.ts) with one more file: `record.json` when it is complete, which says
 * where it came from and what its manifest hashes to, or `journal.json` while it is on its way, with the shards that are done.
 * Nothing else hashes these two, so each carries its own SHA-256 and has a copy beside it.
 */

/** Raised when the files of a directory mean something else; the schema version covers what is made of a model's bytes. */
export const LAYOUT_VERSION = 1;

export const RECORD_FILE = 'record.json';
export const JOURNAL_FILE = 'journal.json';

/** All that is left of a download that had to be deleted, as a journal without shards: where it can be had again. */
export const OFFER_FILE = 'offer.json';

/** Its presence says that the person wants a download to rest. */
export const PAUSED_FILE = 'paused';

const natural = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const sha256Text = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

const origin = v.variant('kind', [
  v.object({ kind: v.literal('package'), path: v.string() }),
  v.object({
    kind: v.literal('url'),
    url: v.string(),
    sha256: v.optional(sha256Text),
    lastModified: v.optional(v.string()),
  }),
  v.object({ kind: v.literal('file'), name: v.string() }),
  /** `verbatim`: its shards are a published file's bytes, so what is derived from them can be derived again. */
  v.object({ kind: v.literal('folder'), name: v.string(), verbatim: v.boolean() }),
]);

const config = v.custom<Gemma3Config>(
  (x) => typeof x === 'object' && x !== null && Object.values(x).every((value) => typeof value === 'number'),
  'no hyper-parameters',
);

/** What a list of models shows of one, so that its manifest need not be read. */
const summary = v.object({
  parameters: natural,
  /** Bytes of the weights by tensor type, largest first. */
  types: v.array(v.object({ type: v.string(), bytes: natural })),
  config,
});

/** Whether the model answered its probe on this machine; a sentence says how it failed. */
const probe = v.object({
  schemaVersion: v.number(),
  outcome: v.union([v.literal('passed'), v.object({ failed: v.string() })]),
});

const record = v.object({
  layout: v.number(),
  schemaVersion: v.number(),
  id: v.string(),
  name: v.string(),
  license: v.object({ name: v.string(), url: v.string() }),
  origin,
  /** Of the whole source, which its shards joined are. */
  bytes: natural,
  /** Of the whole source, once it is there. Absent for the packaged model. */
  sha256: v.optional(sha256Text),
  /** Of `manifest.json`; absent in a journal. */
  manifestSha256: v.optional(sha256Text),
  shards: v.array(
    v.object({ file: v.pipe(v.string(), v.regex(/^shard-\d{5}\.bin$/)), bytes: natural, sha256: sha256Text }),
  ),
  /** What the shards of an unfinished conversion were made from: ConvertedPart.sourceSha256. */
  madeFrom: v.optional(sha256Text),
  /** The effective norms (norms.bin) that were derived from a verbatim file. */
  norms: v.optional(v.object({ bytes: natural, sha256: sha256Text })),
  /** Absent in a journal. */
  summary: v.optional(summary),
  /** Milliseconds since 1970. */
  lastUsedAt: v.optional(v.number()),
  probe: v.optional(probe),
});

export type Origin = v.InferOutput<typeof origin>;
export type ProbeOutcome = v.InferOutput<typeof probe>['outcome'];
export type ModelRecord = v.InferOutput<typeof record>;

/** Whether the shards are a published file's bytes, so that all else can be derived from them. */
export function isVerbatim({ origin }: ModelRecord): boolean {
  return origin.kind === 'url' || origin.kind === 'file' || (origin.kind === 'folder' && origin.verbatim);
}

/** Whether what is stored was made as this version makes it. */
export function isCurrent(record: ModelRecord, { schemaVersion }: { schemaVersion: number }): boolean {
  return record.schemaVersion === schemaVersion && record.layout === LAYOUT_VERSION;
}

/** The record of a model of which nothing is stored yet. */
export function newJournal(
  { id, name, license }: Pick<ModelRecord, 'id' | 'name' | 'license'>,
  origin: Origin,
  bytes: number,
  schemaVersion: number,
): ModelRecord {
  return { layout: LAYOUT_VERSION, schemaVersion, id, name, license, origin, bytes, shards: [] };
}

type RecordFile = typeof RECORD_FILE | typeof JOURNAL_FILE | typeof OFFER_FILE;

/** The directory of a model: not every id can be a file name. */
export function directoryOf(id: string): string {
  return bytesToHex(sha256(utf8ToBytes(id))).slice(0, 24);
}

/** A record file and its copy, in the order in which they are written: a crash in between leaves both whole, the first newer. */
export function copiesOf(file: RecordFile): string[] {
  return [file, file.replace('.json', '.copy.json')];
}

/** Undefined when the file is absent, `damaged` when neither it nor its copy is a record. */
export async function readRecord(
  store: FileStore,
  directory: string,
  file: RecordFile,
): Promise<ModelRecord | 'damaged' | undefined> {
  const copies = await readCopies(store, directory, file);
  const found = copies.find((copy) => copy.whole)?.whole;
  return found?.content ?? (copies.some(({ bytes }) => bytes) ? 'damaged' : undefined);
}

export async function writeRecord(store: FileStore, file: RecordFile, content: ModelRecord): Promise<void> {
  const bytes = sealed(textOf(content));
  for (const name of copiesOf(file)) await store.write(directoryOf(content.id), name, bytes);
}

export async function removeRecord(store: FileStore, directory: string, file: RecordFile): Promise<void> {
  for (const name of copiesOf(file)) await store.removeFile(directory, name);
}

/**
 * Makes a record file and its copy the same again: as one of them says, or as `content` does where neither is a record. Says
 * whether one was damaged; that one is older is what a crash leaves.
 */
export async function mendRecord(store: FileStore, file: RecordFile, content: ModelRecord): Promise<boolean> {
  const directory = directoryOf(content.id);
  const copies = await readCopies(store, directory, file);
  const bytes = sealed(copies.find((copy) => copy.whole)?.whole?.text ?? textOf(content));
  for (const copy of copies) if (!sameBytes(copy.bytes, bytes)) await store.write(directory, copy.name, bytes);
  return copies.some((copy) => copy.bytes && !copy.whole);
}

interface RecordCopy {
  name: string;
  bytes: Uint8Array<ArrayBuffer> | undefined;
  /** Absent when the file is no record, or not as it was written. */
  whole?: { text: string; content: ModelRecord };
}

function readCopies(store: FileStore, directory: string, file: RecordFile): Promise<RecordCopy[]> {
  return Promise.all(
    copiesOf(file).map(async (name) => {
      const bytes = await store.read(directory, name);
      return { name, bytes, whole: bytes && parseRecord(bytes) };
    }),
  );
}

function parseRecord(bytes: Uint8Array): RecordCopy['whole'] {
  try {
    const [text, seal, ...more] = new TextDecoder('utf-8', { fatal: true }).decode(bytes).split('\n');
    // Without a seal it was written before there were any; what a flipped bit makes of two lines is never one of JSON.
    if (more.length > 0 || (seal !== undefined && seal !== sealOf(text))) return undefined;
    return { text, content: v.parse(record, JSON.parse(text)) };
  } catch {
    return undefined;
  }
}

/** Members in the order of the schema: the same record is the same text, whatever it was put together from. */
function textOf(content: ModelRecord): string {
  return JSON.stringify(v.parse(record, content));
}

/** A line of JSON, and a line with its SHA-256. */
function sealed(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\n${sealOf(text)}`);
}

function sealOf(text: string): string {
  return bytesToHex(sha256(utf8ToBytes(text)));
}

function sameBytes(one: Uint8Array | undefined, other: Uint8Array): boolean {
  return one?.length === other.length && one.every((byte, at) => byte === other[at]);
}
