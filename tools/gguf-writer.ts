import { type Gemma3Config, isGlobalLayer } from '../src/model/config.ts';
import { TENSOR_TYPES, type TensorInfo, type TensorType, tensorBytes } from '../src/model/tensor.ts';
import type { TokenizerData } from '../src/model/tokenizer-data.ts';

/*
 * Writes GGUF headers: for tests, for synthetic models, and to hand a model to other programs.
 */

/** A metadata value with its GGUF type. */
export type GgufMetadataValue =
  | { type: 'u32' | 'i32' | 'f32' | 'u64'; value: number }
  | { type: 'bool'; value: boolean }
  | { type: 'string'; value: string }
  | { type: 'strings'; value: readonly string[] }
  | { type: 'bools'; value: readonly boolean[] }
  | { type: 'f32s' | 'i32s'; value: readonly number[] };

export type GgufMetadata = [key: string, value: GgufMetadataValue][];

/** A tensor to announce. `typeId` stands in for a type that Lapis does not read. */
export interface GgufTensorSpec {
  name: string;
  type: TensorType;
  /** Slowest dimension first. */
  shape: number[];
  typeId?: number;
}

export interface GgufOptions {
  /** 2 or 3; 3 when absent. */
  version?: number;
  /** 32 when absent. */
  alignment?: number;
}

const TYPE_IDS = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, u64: 10 };
const ARRAY = 9;

class Writer {
  #bytes = new Uint8Array(64 * 1024);
  #view = new DataView(this.#bytes.buffer);
  #text = new TextEncoder();
  length = 0;

  #grow(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > this.#bytes.length) {
      const larger = new Uint8Array(2 ** Math.ceil(Math.log2(this.length)));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }

  u32(value: number): void {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
  }

  i32(value: number): void {
    const at = this.#grow(4);
    this.#view.setInt32(at, value, true);
  }

  f32(value: number): void {
    const at = this.#grow(4);
    this.#view.setFloat32(at, value, true);
  }

  u64(value: number): void {
    const at = this.#grow(8);
    this.#view.setBigUint64(at, BigInt(value), true);
  }

  string(value: string): void {
    const bytes = this.#text.encode(value);
    this.u64(bytes.length);
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  value(item: GgufMetadataValue): void {
    switch (item.type) {
      case 'strings':
        this.#arrayOf(TYPE_IDS.string, item.value.length);
        for (const text of item.value) this.string(text);
        return;
      case 'bools': {
        this.#arrayOf(TYPE_IDS.bool, item.value.length);
        const at = this.#grow(item.value.length);
        item.value.forEach((value, i) => {
          this.#bytes[at + i] = value ? 1 : 0;
        });
        return;
      }
      case 'f32s':
        this.#arrayOf(TYPE_IDS.f32, item.value.length);
        for (const number of item.value) this.f32(number);
        return;
      case 'i32s':
        this.#arrayOf(TYPE_IDS.i32, item.value.length);
        for (const number of item.value) this.i32(number);
        return;
    }
    this.u32(TYPE_IDS[item.type]);
    if (item.type === 'string') this.string(item.value);
    else if (item.type === 'bool') {
      const at = this.#grow(1);
      this.#bytes[at] = item.value ? 1 : 0;
    } else this[item.type](item.value);
  }

  #arrayOf(typeId: number, count: number): void {
    this.u32(ARRAY);
    this.u32(typeId);
    this.u64(count);
  }

  pad(alignment: number): void {
    this.#grow((alignment - (this.length % alignment)) % alignment);
  }

  take(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.length);
  }
}

/** The header, padded to where the data begins, and where each tensor's data belongs in the file. */
export function ggufHeader(
  metadata: GgufMetadata,
  tensors: readonly GgufTensorSpec[],
  { version = 3, alignment = 32 }: GgufOptions = {},
): { header: Uint8Array<ArrayBuffer>; tensors: (TensorInfo & { fileOffset: number })[]; bytes: number } {
  const entries: GgufMetadata =
    alignment === 32 ? metadata : [...metadata, ['general.alignment', { type: 'u32', value: alignment }]];
  const writer = new Writer();
  writer.u32(0x46554747);
  writer.u32(version);
  writer.u64(tensors.length);
  writer.u64(entries.length);
  for (const [key, value] of entries) {
    writer.string(key);
    writer.value(value);
  }
  let end = 0;
  const placed = tensors.map(({ name, type, shape, typeId }) => {
    const offset = Math.ceil(end / alignment) * alignment;
    const bytes = tensorBytes(
      type,
      shape.reduce((a, b) => a * b, 1),
    );
    end = offset + bytes;
    writer.string(name);
    writer.u32(shape.length);
    for (const length of shape.toReversed()) writer.u64(length);
    writer.u32(typeId ?? TENSOR_TYPES[type].id);
    writer.u64(offset);
    return { name, type, shape, bytes, fileOffset: offset };
  });
  writer.pad(alignment);
  const header = writer.take();
  for (const tensor of placed) tensor.fileOffset += header.length;
  // Files end padded, as llama.cpp writes them.
  return { header, tensors: placed, bytes: header.length + Math.ceil(end / alignment) * alignment };
}

/** A whole small GGUF file in memory. `data` holds each tensor's stored bytes by name. */
export function ggufFile(
  metadata: GgufMetadata,
  tensors: readonly GgufTensorSpec[],
  data: ReadonlyMap<string, Uint8Array>,
  options: GgufOptions = {},
): Uint8Array<ArrayBuffer> {
  const layout = ggufHeader(metadata, tensors, options);
  const file = new Uint8Array(layout.bytes);
  file.set(layout.header);
  for (const { name, bytes, fileOffset } of layout.tensors) {
    const stored = data.get(name);
    if (stored?.length !== bytes) throw new Error(`${name} needs ${bytes} bytes of data.`);
    file.set(stored, fileOffset);
  }
  return file;
}

/** The metadata that llama.cpp's converter writes for a Gemma 3 model. */
export function gemma3Metadata(config: Gemma3Config, tokenizer: TokenizerData, name: string): GgufMetadata {
  const u32 = (value: number): GgufMetadataValue => ({ type: 'u32', value });
  const f32 = (value: number): GgufMetadataValue => ({ type: 'f32', value });
  const text = (value: string): GgufMetadataValue => ({ type: 'string', value });
  // The converter writes plain spaces into user-defined pieces (type 4), and U+2581 everywhere else.
  const asConverted = (token: string, id: number): string =>
    tokenizer.types[id] === 4 ? token.replaceAll('\u2581', ' ') : token;
  const windowed = Array.from({ length: config.layerCount }, (_, i) => i).some((i) => !isGlobalLayer(config, i));
  const metadata: GgufMetadata = [
    ['general.architecture', text('gemma3')],
    ['general.name', text(name)],
    ['gemma3.context_length', u32(config.contextLength)],
    ['gemma3.embedding_length', u32(config.hiddenSize)],
    ['gemma3.block_count', u32(config.layerCount)],
    ['gemma3.feed_forward_length', u32(config.feedForwardSize)],
    ['gemma3.attention.head_count', u32(config.headCount)],
    ['gemma3.attention.head_count_kv', u32(config.kvHeadCount)],
    ['gemma3.attention.key_length', u32(config.headDim)],
    ['gemma3.attention.value_length', u32(config.headDim)],
    ['gemma3.attention.layer_norm_rms_epsilon', f32(config.rmsNormEpsilon)],
    ['gemma3.rope.freq_base', f32(config.ropeThetaGlobal)],
  ];
  if (windowed) metadata.push(['gemma3.attention.sliding_window', u32(config.slidingWindow)]);
  if (windowed && config.slidingWindowPattern !== 6) {
    metadata.push(['gemma3.attention.sliding_window_pattern', u32(config.slidingWindowPattern)]);
  }
  if (config.queryScale !== config.headDim ** -0.5) metadata.push(['gemma3.attention.scale', f32(config.queryScale)]);
  if (config.ropeThetaLocal !== 10_000) metadata.push(['gemma3.rope.freq_base_swa', f32(config.ropeThetaLocal)]);
  if (config.ropeScaleGlobal !== 1) {
    metadata.push(
      ['gemma3.rope.scaling.type', text('linear')],
      ['gemma3.rope.scaling.factor', f32(config.ropeScaleGlobal)],
    );
  }
  metadata.push(
    ['tokenizer.ggml.model', text('llama')],
    ['tokenizer.ggml.tokens', { type: 'strings', value: tokenizer.tokens.map(asConverted) }],
    ['tokenizer.ggml.scores', { type: 'f32s', value: tokenizer.scores }],
    ['tokenizer.ggml.token_type', { type: 'i32s', value: tokenizer.types }],
    ['tokenizer.ggml.bos_token_id', u32(tokenizer.bos)],
    ['tokenizer.ggml.eos_token_id', u32(tokenizer.eos)],
    ['tokenizer.ggml.unknown_token_id', u32(tokenizer.unknown)],
    ['tokenizer.ggml.padding_token_id', u32(tokenizer.pad)],
  );
  return metadata;
}
