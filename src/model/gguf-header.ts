import { LapisError } from '../protocol/errors.ts';
import { printable } from '../protocol/printable.ts';
import type { ByteSource } from './byte-source.ts';
import { GGUF_LIMITS } from './limits.ts';

/*
 * The GGUF container, versions 2 and 3, little-endian. Layout: magic, version, tensor count, metadata count, metadata
 * (key, type, value), tensor table (name, dimensions, type, offset), padding to `general.alignment`, data.
 * Source: the GGUF specification in ggml's docs/gguf.md.
 */

type GgufArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array
  | boolean[]
  | string[];

export type GgufValue = number | bigint | boolean | string | GgufArray;

/** One row of the tensor table, as written. */
export interface GgufTensor {
  name: string;
  /** GGML's number of the type, which may be one that Lapis does not read. */
  typeId: number;
  /** Slowest dimension first (the file has it the other way round). */
  shape: number[];
  /** From the start of the data. */
  offset: number;
}

export interface GgufHeader {
  version: number;
  alignment: number;
  metadata: Map<string, GgufValue>;
  tensors: GgufTensor[];
  /** Where the data starts in the file. */
  dataOffset: number;
}

const MAGIC = 0x46554747; // "GGUF", little-endian
const FIRST_READ_BYTES = 8 * 1024 * 1024; // holds the 6.6 MB header of Gemma's 262,144 pieces in one read
const DEFAULT_ALIGNMENT = 32;

/** Numbers of GGUF's value types, by name. */
const VALUE = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
};

/** Bytes of one value of each fixed-size type. */
const FIXED_BYTES: Record<number, number> = {
  [VALUE.u8]: 1,
  [VALUE.i8]: 1,
  [VALUE.u16]: 2,
  [VALUE.i16]: 2,
  [VALUE.u32]: 4,
  [VALUE.i32]: 4,
  [VALUE.f32]: 4,
  [VALUE.bool]: 1,
  [VALUE.u64]: 8,
  [VALUE.i64]: 8,
  [VALUE.f64]: 8,
};

/** The header goes on after the bytes read so far. */
class NeedMoreBytes extends Error {}

function corrupt(message: string): LapisError {
  return new LapisError('corrupt', message);
}

/** Reads values one after another; every length is checked before anything is allocated. */
class Cursor {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  // A token may be U+FEFF, which a decoder drops unless told to keep it.
  #text = new TextDecoder('utf-8', { ignoreBOM: true });
  #arrayElements = 0;
  offset = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #take(length: number): number {
    const at = this.offset;
    if (at + length > this.#bytes.length) throw new NeedMoreBytes();
    this.offset = at + length;
    return at;
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** A u64 that counts something: must be at most `limit`. */
  count(limit: number, what: string): number {
    const value = this.#view.getBigUint64(this.#take(8), true);
    if (value > BigInt(limit)) throw corrupt(`The GGUF header claims ${value} ${what}; at most ${limit} are accepted.`);
    return Number(value);
  }

  string(limit: number, what: string): string {
    const length = this.count(limit, `bytes of ${what}`);
    const at = this.#take(length);
    return this.#text.decode(this.#bytes.subarray(at, at + length));
  }

  value(type: number, key: string): GgufValue {
    if (type === VALUE.string) return this.string(GGUF_LIMITS.stringBytes, `text in ${printable(key)}`);
    if (type === VALUE.array) return this.#array(key);
    const bytes = FIXED_BYTES[type];
    if (bytes === undefined) throw corrupt(`The GGUF metadata ${printable(key)} has the unknown value type ${type}.`);
    return this.#fixed(type, this.#take(bytes));
  }

  #fixed(type: number, at: number): number | bigint | boolean {
    const view = this.#view;
    switch (type) {
      case VALUE.u8:
        return view.getUint8(at);
      case VALUE.i8:
        return view.getInt8(at);
      case VALUE.u16:
        return view.getUint16(at, true);
      case VALUE.i16:
        return view.getInt16(at, true);
      case VALUE.u32:
        return view.getUint32(at, true);
      case VALUE.i32:
        return view.getInt32(at, true);
      case VALUE.f32:
        return view.getFloat32(at, true);
      case VALUE.f64:
        return view.getFloat64(at, true);
      case VALUE.u64:
        return view.getBigUint64(at, true);
      case VALUE.i64:
        return view.getBigInt64(at, true);
      default:
        return view.getUint8(at) !== 0;
    }
  }

  #array(key: string): GgufArray {
    const type = this.u32();
    const name = printable(key);
    const count = this.count(GGUF_LIMITS.arrayElements, `elements of ${name}`);
    this.#arrayElements += count;
    if (this.#arrayElements > GGUF_LIMITS.arrayElements) {
      throw corrupt(
        `The arrays of the GGUF metadata up to ${name} have more than ${GGUF_LIMITS.arrayElements} elements.`,
      );
    }
    if (type === VALUE.array) throw new LapisError('unsupported', `The GGUF metadata ${name} is an array of arrays.`);
    if (type === VALUE.string) {
      const strings: string[] = [];
      for (let i = 0; i < count; i++) strings.push(this.string(GGUF_LIMITS.stringBytes, `text in ${name}`));
      return strings;
    }
    const bytes = FIXED_BYTES[type];
    if (bytes === undefined) throw corrupt(`The GGUF metadata ${name} has elements of the unknown value type ${type}.`);
    const at = this.#take(count * bytes);
    // A copy, because a typed array's offset must be a multiple of its element size, and to let the header's bytes go.
    const raw = new Uint8Array(this.#bytes.subarray(at, at + count * bytes)).buffer;
    switch (type) {
      case VALUE.u8:
        return new Uint8Array(raw);
      case VALUE.i8:
        return new Int8Array(raw);
      case VALUE.u16:
        return new Uint16Array(raw);
      case VALUE.i16:
        return new Int16Array(raw);
      case VALUE.u32:
        return new Uint32Array(raw);
      case VALUE.i32:
        return new Int32Array(raw);
      case VALUE.f32:
        return new Float32Array(raw);
      case VALUE.f64:
        return new Float64Array(raw);
      case VALUE.u64:
        return new BigUint64Array(raw);
      case VALUE.i64:
        return new BigInt64Array(raw);
      default:
        return Array.from(new Uint8Array(raw), (byte) => byte !== 0);
    }
  }
}

function parseTensor(cursor: Cursor): GgufTensor {
  const name = cursor.string(GGUF_LIMITS.nameBytes, 'a tensor name');
  const shown = printable(name);
  const dimensions = cursor.u32();
  if (dimensions < 1 || dimensions > GGUF_LIMITS.dimensions) {
    throw corrupt(`The tensor ${shown} has ${dimensions} dimensions; 1 to ${GGUF_LIMITS.dimensions} are possible.`);
  }
  const shape: number[] = [];
  let elements = 1;
  for (let i = 0; i < dimensions; i++) {
    const length = cursor.count(GGUF_LIMITS.tensorElements, `elements in a row of ${shown}`);
    if (length === 0) throw corrupt(`The tensor ${shown} has a dimension of length 0.`);
    elements *= length;
    shape.unshift(length);
  }
  if (elements > GGUF_LIMITS.tensorElements) {
    throw corrupt(
      `The tensor ${shown} claims ${elements} elements; at most ${GGUF_LIMITS.tensorElements} are accepted.`,
    );
  }
  const typeId = cursor.u32();
  const offset = cursor.count(Number.MAX_SAFE_INTEGER, `bytes before ${shown}`);
  return { name, typeId, shape, offset };
}

function parse(bytes: Uint8Array<ArrayBuffer>): GgufHeader {
  const cursor = new Cursor(bytes);
  if (cursor.u32() !== MAGIC) throw corrupt('This is not a GGUF file: it does not begin with "GGUF".');
  const version = cursor.u32();
  if (version > 0 && (version & 0xffff) === 0) {
    throw new LapisError('unsupported', 'This GGUF file is big-endian; only little-endian files are supported.');
  }
  if (version !== 2 && version !== 3) {
    throw new LapisError('unsupported', `GGUF version ${version} is not supported; 2 and 3 are.`);
  }
  const tensorCount = cursor.count(GGUF_LIMITS.tensors, 'tensors');
  const metadataCount = cursor.count(GGUF_LIMITS.metadata, 'metadata entries');

  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < metadataCount; i++) {
    const key = cursor.string(GGUF_LIMITS.nameBytes, 'a metadata key');
    if (metadata.has(key)) throw corrupt(`The GGUF metadata ${printable(key)} stands there twice.`);
    metadata.set(key, cursor.value(cursor.u32(), key));
  }

  const tensors: GgufTensor[] = [];
  const names = new Set<string>();
  for (let i = 0; i < tensorCount; i++) {
    const tensor = parseTensor(cursor);
    if (names.has(tensor.name)) throw corrupt(`The tensor ${printable(tensor.name)} stands twice in the tensor table.`);
    names.add(tensor.name);
    tensors.push(tensor);
  }

  const alignment = metadata.get('general.alignment') ?? DEFAULT_ALIGNMENT;
  if (typeof alignment !== 'number' || !isAlignment(alignment)) {
    throw corrupt(
      `The GGUF metadata general.alignment is ${printable(String(alignment))}, which is not a possible alignment.`,
    );
  }
  const dataOffset = Math.ceil(cursor.offset / alignment) * alignment;
  for (const { name, offset } of tensors) {
    if (offset % alignment !== 0)
      throw corrupt(`The tensor ${printable(name)} stands at byte ${offset}, not at a multiple of ${alignment}.`);
  }
  return { version, alignment, metadata, tensors, dataOffset };
}

function isAlignment(value: number): boolean {
  return value >= 1 && value <= GGUF_LIMITS.alignment && Number.isInteger(Math.log2(value));
}

/**
 * Parses a GGUF header. Errors: `corrupt` for what is no GGUF or is damaged or exceeds GGUF_LIMITS, `unsupported` for another
 * version or byte order.
 */
export async function readGgufHeader(source: ByteSource, signal?: AbortSignal): Promise<GgufHeader> {
  if (source.size === 0) throw corrupt('The file is empty.');
  const limit = Math.min(source.size, GGUF_LIMITS.headerBytes);
  for (let length = Math.min(FIRST_READ_BYTES, limit); ; length = Math.min(length * 2, limit)) {
    try {
      return parse(await source.read(0, length, signal));
    } catch (error) {
      if (!(error instanceof NeedMoreBytes)) throw error;
      if (length < limit) continue;
      throw source.size > limit
        ? corrupt(`The GGUF header is longer than ${GGUF_LIMITS.headerBytes} bytes.`)
        : corrupt(`The file ends after ${source.size} bytes, in the middle of its GGUF header.`);
    }
  }
}
