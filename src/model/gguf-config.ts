import { LapisError } from '../protocol/errors.ts';
import { printable } from '../protocol/printable.ts';
import { type Gemma3Config, globalPattern } from './config.ts';
import { checkConfig } from './gemma3-tensors.ts';
import type { GgufHeader, GgufValue } from './gguf-header.ts';
import type { TokenizerData } from './tokenizer-data.ts';
import { completeTokenizer, gemmaPieceTypes, PIECE_TYPE } from './vocabulary.ts';

/** Gemma 3's values where a file does not store them. */
const DEFAULTS = {
  rmsNormEpsilon: 1e-6,
  slidingWindowPattern: 6,
  ropeThetaGlobal: 1_000_000,
  /** Older converters never write the local layers' theta. */
  ropeThetaLocal: 10_000,
  /** 4B, 12B and 27B, the multimodal ones: files that hold the vision part too may leave their text part's scaling out. */
  ropeScaleMultimodal: 8,
} as const;

/**
 * Gemma 3 27B is the one whose query_pre_attn_scalar (168) is not its head_dim (128), and no GGUF key holds it; llama.cpp knows
 * the model by its 62 layers and takes hidden size / heads (src/models/gemma3.cpp).
 */
const LAYERS_OF_27B = 62;

/**
 * Ollama's first files of the 1B hold Gemma 2's soft-cap, which Gemma 3 has not (config.json: null); Ollama itself ignores it there
 * (model/models/gemma3/model_text.go).
 */
const MISTAKEN_SOFT_CAP = { layerCount: 26, softCap: 30 };

/** GGUF holds f32: the shortest decimal that rounds to it is the number that was meant (1e-6, not 9.999999974752427e-7). */
function decimal(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === value) return rounded;
  }
  return value;
}

class Metadata {
  #values: Map<string, GgufValue>;

  constructor(values: Map<string, GgufValue>) {
    this.#values = values;
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  number(key: string, fallback?: number): number {
    const value = this.#values.get(key);
    if (typeof value === 'number') return Number.isInteger(value) ? value : decimal(value);
    if (typeof value === 'bigint') return Number(value);
    if (value === undefined && fallback !== undefined) return fallback;
    throw new LapisError(
      'corrupt',
      `The GGUF metadata ${key} ${value === undefined ? 'is missing' : 'is not a number'}.`,
    );
  }

  text(key: string): string {
    const value = this.#values.get(key);
    if (typeof value === 'string') return value;
    throw new LapisError(
      'corrupt',
      `The GGUF metadata ${key} ${value === undefined ? 'is missing' : 'is not a text'}.`,
    );
  }

  /** A key that may hold one value for each layer, which here must all be the same. */
  uniform(key: string, fallback?: number): number {
    const value = this.#values.get(key);
    if (Array.isArray(value) || !ArrayBuffer.isView(value)) return this.number(key, fallback);
    const numbers = Array.from(value as ArrayLike<number | bigint>, Number);
    if (numbers.length === 0 || numbers.some((n) => n !== numbers[0])) {
      throw new LapisError('unsupported', `The GGUF metadata ${key} differs from layer to layer.`);
    }
    return numbers[0];
  }

  /** "Every nth layer is global": as n, or as a list of which layers see a sliding window only. */
  windowPattern(key: string, layerCount: number, fallback: number): number {
    const value = this.#values.get(key);
    if (!Array.isArray(value) || value.some((item) => typeof item !== 'boolean')) return this.number(key, fallback);
    const pattern = globalPattern(value.map((isLocal) => !isLocal));
    if (pattern === undefined || value.length !== layerCount) {
      throw new LapisError('unsupported', `The GGUF metadata ${key} does not repeat every so many layers.`);
    }
    return pattern;
  }

  /** Whether the file holds Gemma 3's vision part too, or was made from a model that has one. */
  get multimodal(): boolean {
    return this.has('gemma3.vision.block_count') || this.has('gemma3.mm.tokens_per_image');
  }

  strings(key: string): string[] {
    const value = this.#values.get(key);
    if (Array.isArray(value) && (value.length === 0 || typeof value[0] === 'string')) return value as string[];
    throw new LapisError(
      'corrupt',
      `The GGUF metadata ${key} ${value === undefined ? 'is missing' : 'is not a list of texts'}.`,
    );
  }

  numbers(key: string): number[] {
    const value = this.#values.get(key);
    if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<number | bigint>, Number);
    throw new LapisError(
      'corrupt',
      `The GGUF metadata ${key} ${value === undefined ? 'is missing' : 'is not a list of numbers'}.`,
    );
  }
}

/** Throws `not-gemma`, naming the architecture, unless the header is a Gemma 3 text model's. */
function checkArchitecture(header: GgufHeader): void {
  const architecture = new Metadata(header.metadata).text('general.architecture');
  if (architecture !== 'gemma3') {
    throw new LapisError(
      'not-gemma',
      `This model's architecture is "${printable(architecture)}"; Lapis runs "gemma3".`,
    );
  }
}

function unsupported(what: string): never {
  throw new LapisError('unsupported', `This model has ${what}, which is not supported.`);
}

/** What global layers' positions are divided by. */
function ropeScale(metadata: Metadata): number {
  const [type, factor] = ['gemma3.rope.scaling.type', 'gemma3.rope.scaling.factor'];
  if (!metadata.has(type) && !metadata.has(factor)) return metadata.multimodal ? DEFAULTS.ropeScaleMultimodal : 1;
  // Linear is what llama.cpp takes a factor without a type for (src/llama-model.cpp).
  const scaling = metadata.has(type) ? metadata.text(type) : 'linear';
  if (scaling === 'none') return 1;
  if (scaling !== 'linear') unsupported(`"${printable(scaling)}" RoPE scaling`);
  return metadata.number(factor);
}

/** The hyper-parameters of a Gemma 3 GGUF. Errors: `not-gemma`, `unsupported`, `corrupt`. */
export function ggufConfig(header: GgufHeader): Gemma3Config {
  checkArchitecture(header);
  const metadata = new Metadata(header.metadata);
  const parts = metadata.number('split.count', 1);
  if (parts > 1) {
    throw new LapisError(
      'unsupported',
      `This file is one of ${parts} parts; join them with llama-gguf-split --merge first.`,
    );
  }
  const key = (name: string): string => `gemma3.${name}`;

  const hiddenSize = metadata.number(key('embedding_length'));
  const layerCount = metadata.number(key('block_count'));
  const headCount = metadata.uniform(key('attention.head_count'));
  const headDim = metadata.number(key('attention.key_length'), hiddenSize / headCount);
  const contextLength = metadata.number(key('context_length'));
  if (metadata.number(key('attention.value_length'), headDim) !== headDim)
    unsupported('values of another width than keys');
  if (metadata.number(key('rope.dimension_count'), headDim) !== headDim) unsupported('a partial rotary embedding');
  const softCap = metadata.number(key('final_logit_softcapping'), 0);
  const mistaken = layerCount === MISTAKEN_SOFT_CAP.layerCount && softCap === MISTAKEN_SOFT_CAP.softCap;
  if (softCap !== 0 && !mistaken) unsupported('a soft-cap on its logits');

  // Files without a window (or with 0) attend to everything in every layer.
  const window = metadata.number(key('attention.sliding_window'), 0);
  const queryScalar = layerCount === LAYERS_OF_27B ? Math.floor(hiddenSize / headCount) : headDim;
  const theta = (name: string, otherName: string, fallback: number): number =>
    metadata.number(key(name), metadata.number(key(otherName), fallback));
  const embedding = header.tensors.find(({ name }) => name === 'token_embd.weight');
  if (!embedding) throw new LapisError('corrupt', 'The tensor token_embd.weight is missing.');

  return checkConfig({
    hiddenSize,
    feedForwardSize: metadata.uniform(key('feed_forward_length')),
    layerCount,
    headCount,
    kvHeadCount: metadata.uniform(key('attention.head_count_kv'), headCount),
    headDim,
    vocabularySize: embedding.shape[0],
    contextLength,
    rmsNormEpsilon: metadata.number(key('attention.layer_norm_rms_epsilon'), DEFAULTS.rmsNormEpsilon),
    queryScale: metadata.number(key('attention.scale'), queryScalar ** -0.5),
    slidingWindow: window || contextLength,
    slidingWindowPattern: window
      ? metadata.windowPattern(key('attention.sliding_window_pattern'), layerCount, DEFAULTS.slidingWindowPattern)
      : 1,
    // Llama.cpp's name, then Ollama's.
    ropeThetaGlobal: theta('rope.freq_base', 'rope.global.freq_base', DEFAULTS.ropeThetaGlobal),
    ropeThetaLocal: theta('rope.freq_base_swa', 'rope.local.freq_base', DEFAULTS.ropeThetaLocal),
    ropeScaleGlobal: ropeScale(metadata),
  });
}

/** The vocabulary of a GGUF, `vocabularySize` pieces. Errors: `unsupported` for another kind of tokenizer, `corrupt`. */
export function ggufTokenizer(header: GgufHeader, vocabularySize: number): TokenizerData {
  const metadata = new Metadata(header.metadata);
  const model = metadata.text('tokenizer.ggml.model');
  if (model !== 'llama') {
    throw new LapisError(
      'unsupported',
      `This model's tokenizer is of the kind "${printable(model)}"; only SentencePiece ("llama") is supported.`,
    );
  }
  // Multimodal files may list pieces of the vision part (<image_soft_token>) for which the text part's embedding has no row.
  const count = metadata.multimodal ? vocabularySize : undefined;
  const tokens = metadata.strings('tokenizer.ggml.tokens').slice(0, count);
  const types = metadata.has('tokenizer.ggml.token_type')
    ? metadata.numbers('tokenizer.ggml.token_type').slice(0, count)
    : tokens.map(() => PIECE_TYPE.normal);
  const id = (name: string, fallback: number): number => metadata.number(`tokenizer.ggml.${name}_token_id`, fallback);
  return completeTokenizer(
    {
      tokens,
      scores: metadata.numbers('tokenizer.ggml.scores').slice(0, count),
      types: gemmaPieceTypes(tokens, types),
      bos: id('bos', 2),
      eos: id('eos', 1),
      pad: id('padding', 0),
      unknown: id('unknown', 3),
    },
    vocabularySize,
    metadata.has('tokenizer.ggml.eot_token_id') ? [id('eot', 0)] : [],
  );
}
