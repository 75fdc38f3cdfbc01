import type { Gemma3Config } from '../../src/model/config.ts';
import { quantizedTensors } from '../../src/model/convert.ts';
import { expectedTensors } from '../../src/model/gemma3-tensors.ts';
import type { Quantization } from '../../src/model/manifest.ts';
import { isNorm } from '../../src/model/norm.ts';
import { WEIGHTS_SCHEMA_VERSION } from '../../src/model/schema-version.ts';
import type { ModelSource } from '../../src/model/source.ts';
import { TENSOR_TYPES, type TensorInfo, type TensorType } from '../../src/model/tensor.ts';
import type { TokenizerData } from '../../src/model/tokenizer-data.ts';
import { UsageError } from '../usage-error.ts';

const GEMMA_3: Omit<Gemma3Config, 'hiddenSize' | 'feedForwardSize' | 'layerCount' | 'headCount' | 'kvHeadCount'> = {
  headDim: 256,
  vocabularySize: 262_144,
  contextLength: 32_768,
  rmsNormEpsilon: 1e-6,
  queryScale: 256 ** -0.5,
  slidingWindow: 512,
  slidingWindowPattern: 6,
  ropeThetaGlobal: 1_000_000,
  ropeThetaLocal: 10_000,
  ropeScaleGlobal: 1,
};

/** Shapes and types of real files (the model cards' config.json; llama.cpp's rules for Q4_K_M). */
const MODELS: Record<string, { config: Gemma3Config; quantization: Quantization }> = {
  'gemma-3-270m-q8_0': {
    config: { ...GEMMA_3, hiddenSize: 640, feedForwardSize: 2048, layerCount: 18, headCount: 4, kvHeadCount: 1 },
    quantization: 'q8_0',
  },
  'gemma-3-1b-q4_k_m': {
    config: { ...GEMMA_3, hiddenSize: 1152, feedForwardSize: 6912, layerCount: 26, headCount: 4, kvHeadCount: 1 },
    quantization: 'q4_k_m',
  },
  'gemma-3-4b-q4_k_m': {
    config: {
      ...GEMMA_3,
      hiddenSize: 2560,
      feedForwardSize: 10_240,
      layerCount: 34,
      headCount: 8,
      kvHeadCount: 4,
      slidingWindow: 1024,
      ropeScaleGlobal: 8,
      contextLength: 131_072,
    },
    quantization: 'q4_k_m',
  },
};

/** Of a model that is never asked for text. */
export const NO_TOKENIZER: TokenizerData = {
  type: 'sentencepiece-bpe',
  tokens: [],
  scores: [],
  types: [],
  bos: 2,
  eos: 1,
  pad: 0,
  unknown: 3,
  stop: [1, 106],
};

/**
 * A model with random weights in a real file's shapes and types: speed without the download. It has no vocabulary.
 * Throws a UsageError with the names there are.
 */
export function syntheticModel(name: string): ModelSource {
  if (!Object.hasOwn(MODELS, name)) {
    const names = Object.keys(MODELS).join(', ');
    throw new UsageError(`There is no synthetic model ${name}; there are ${names}.`);
  }
  const { config, quantization } = MODELS[name];
  return randomModel(`synthetic:${name}`, config, quantization);
}

/** A model of any shapes with random weights, always the same, in the types that `quantization` gives them. */
export function randomModel(id: string, config: Gemma3Config, quantization: Quantization): ModelSource {
  const plain: TensorInfo[] = [...expectedTensors(config)].map(([tensor, shape]) => ({
    name: tensor,
    type: isNorm(tensor) ? 'F32' : 'BF16',
    shape,
    bytes: 0,
  }));
  const source: ModelSource = {
    id,
    schemaVersion: WEIGHTS_SCHEMA_VERSION,
    config,
    tokenizer: NO_TOKENIZER,
    tensors: plain,
    normSource: 'w',
    async *weights({ signal, onProgress } = {}) {
      const bytesTotal = this.tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
      let bytesDone = 0;
      for (const tensor of this.tensors) {
        const { blockBytes } = TENSOR_TYPES[tensor.type];
        const step = Math.floor(CHUNK_BYTES / blockBytes) * blockBytes;
        for (let offset = 0; offset < tensor.bytes; offset += step) {
          signal?.throwIfAborted();
          const bytes = randomBlocks(tensor, Math.min(step, tensor.bytes - offset), bytesDone);
          yield { tensor, offset, bytes };
          bytesDone += bytes.length;
          onProgress?.({ bytesDone, bytesTotal });
        }
      }
    },
  };
  return { ...source, tensors: quantizedTensors(source, quantization) };
}

const CHUNK_BYTES = 16 * 1024 * 1024;
const POOL_SLACK = 1024 * 1024;

/** Where a block's half-precision scales stand, and one value for all of them: real sizes keep activations finite. */
const SCALES: Record<TensorType, number[]> = {
  F32: [],
  F16: [],
  BF16: [],
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q8_0: [0],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
  IQ4_NL: [0],
};

let pool: Uint8Array<ArrayBuffer> | undefined;

/**
 * Random bytes with sane scales; norms are all 1. One pool of randomness serves every tensor, from another start each time, so that
 * no two pieces of a model are alike.
 */
function randomBlocks({ name, type }: TensorInfo, bytes: number, position: number): Uint8Array<ArrayBuffer> {
  if (isNorm(name)) return new Uint8Array(new Float32Array(bytes / 4).fill(1).buffer);
  const start = position % POOL_SLACK;
  const blocks = randomPool().slice(start, start + bytes);
  const { blockBytes } = TENSOR_TYPES[type];
  for (const scale of SCALES[type]) {
    for (let at = scale; at < bytes; at += blockBytes) {
      // 0x1000 … 0x13ff are halves of about 0.0005 to 0.001.
      blocks[at + 1] = 0x10 | (blocks[at + 1] & 3);
    }
  }
  return blocks;
}

function randomPool(): Uint8Array<ArrayBuffer> {
  if (!pool) {
    const words = new Uint32Array((CHUNK_BYTES + POOL_SLACK) / 4);
    let state = 1;
    for (let i = 0; i < words.length; i++) {
      state = Math.imul(state, 1664525) + 1013904223;
      words[i] = state ^ (state >>> 15);
    }
    pool = new Uint8Array(words.buffer);
  }
  return pool;
}
