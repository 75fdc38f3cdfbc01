import { LapisError } from '../protocol/errors.ts';
import { printable } from '../protocol/printable.ts';
import type { Gemma3Config } from './config.ts';
import { checkConfig } from './gemma3-tensors.ts';
import type { GgufHeader, GgufValue } from './gguf-header.ts';
import type { TokenizerData } from './tokenizer-data.ts';
import { completeTokenizer, PIECE_TYPE } from './vocabulary.ts';

/** Gemma 3's values where a file does not store them. */
const DEFAULTS = {
  rmsNormEpsilon: 1e-6,
  slidingWindowPattern: 6,
  ropeThetaGlobal: 1_000_000,
  /** Older converters never write the local layers' theta. */
  ropeThetaLocal: 10_000,
} as const;

/**
 * Gemma 3 27B is the one whose query_pre_attn_scalar (168) is not its head_dim (128), and no GGUF key holds it; llama.cpp knows
 * the model by its 62 layers and takes hidden size / heads (src/models/gemma3.cpp).
 */
const LAYERS_OF_27B = 62;

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
  const unsupported = (what: string): never => {
    throw new LapisError('unsupported', `This model has ${what}, which is not supported.`);
  };
  if (metadata.number(key('attention.value_length'), headDim) !== headDim)
    unsupported('values of another width than keys');
  if (metadata.number(key('rope.dimension_count'), headDim) !== headDim) unsupported('a partial rotary embedding');
  if (metadata.number(key('final_logit_softcapping'), 0) !== 0) unsupported('a soft-cap on its logits');

  const scaling = metadata.has(key('rope.scaling.type')) ? metadata.text(key('rope.scaling.type')) : 'none';
  if (scaling !== 'none' && scaling !== 'linear') unsupported(`"${printable(scaling)}" RoPE scaling`);

  // Files without a window (or with 0) attend to everything in every layer.
  const window = metadata.number(key('attention.sliding_window'), 0);
  const queryScalar = layerCount === LAYERS_OF_27B ? Math.floor(hiddenSize / headCount) : headDim;
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
      ? metadata.number(key('attention.sliding_window_pattern'), DEFAULTS.slidingWindowPattern)
      : 1,
    ropeThetaGlobal: metadata.number(key('rope.freq_base'), DEFAULTS.ropeThetaGlobal),
    ropeThetaLocal: metadata.number(key('rope.freq_base_swa'), DEFAULTS.ropeThetaLocal),
    ropeScaleGlobal: scaling === 'linear' ? metadata.number(key('rope.scaling.factor')) : 1,
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
  const tokens = metadata.strings('tokenizer.ggml.tokens');
  const id = (name: string, fallback: number): number => metadata.number(`tokenizer.ggml.${name}_token_id`, fallback);
  return completeTokenizer(
    {
      tokens,
      scores: metadata.numbers('tokenizer.ggml.scores'),
      types: metadata.has('tokenizer.ggml.token_type')
        ? metadata.numbers('tokenizer.ggml.token_type')
        : tokens.map(() => PIECE_TYPE.normal),
      bos: id('bos', 2),
      eos: id('eos', 1),
      pad: id('padding', 0),
      unknown: id('unknown', 3),
    },
    vocabularySize,
    metadata.has('tokenizer.ggml.eot_token_id') ? [id('eot', 0)] : [],
  );
}
