import { type Gemma3Config, isGlobalLayer } from '../model/config.ts';
import { COPY_DST, COPY_SRC, type GpuDevice, STORAGE, UNIFORM } from './device.ts';
import { attentionSplits, decodeSplits } from './kernels/attention/splits.ts';
import { RESULT_WORDS } from './kernels/sample/options.ts';
import { matmulSplits } from './linear.ts';

/** The most rows that are generated together. */
export const MAX_GENERATED_ROWS = 8;
/** u32 words of a Slot (rows.wgsl). */
export const SLOT_WORDS = 16;
/** u32 words of a Row (rows.wgsl). */
export const ROW_WORDS = 4;

/** u32 words of a mask of allowed tokens. */
export function maskWords(vocabularySize: number): number {
  return Math.ceil(vocabularySize / 32);
}

/** What one class of rows is described by; the two classes have one each, so that prompt chunks leave the decode loop's rows alone. */
export interface BatchBuffers {
  /** Batch, uniform. */
  batch: GPUBuffer;
  /** Row [rows]. */
  rows: GPUBuffer;
}

/** Activations and state that all plans of a loaded model share. f32 [rows][…] unless said otherwise. */
export interface ModelBuffers {
  /** The residual stream, [rows][hidden]. */
  residual: GPUBuffer;
  /** The residual stream after a branch was added to it, where kernels still read the other: the two take turns. */
  otherResidual: GPUBuffer;
  /** The residual stream after the next norm, [rows][hidden]. */
  normed: GPUBuffer;
  /** What a branch gives before its post-norm, [splits of its sum][rows][hidden]. */
  branch: GPUBuffer;
  /** [rows][(heads + 2·kvHeads)·headDim] */
  qkv: GPUBuffer;
  /** [rows][heads·headDim] */
  attention: GPUBuffer;
  /** Attention of generated rows before the splits are joined. */
  partials: GPUBuffer;
  /** [rows][feedForward] */
  gated: GPUBuffer;
  /** [rows][2·feedForward], only where a layer's gate and up differ in type. */
  gateUp: GPUBuffer;
  /** [8][vocabulary] */
  logits: GPUBuffer;
  /** Slot [slots]. */
  slots: GPUBuffer;
  /** u32 [slots][context]: the token at each position. */
  history: GPUBuffer;
  /** u32 [slots][⌈vocabulary / 32⌉]: the tokens a slot may sample, where its sampler uses a mask. */
  mask: GPUBuffer;
  /** u32 [8][RESULT_WORDS]: what was sampled. */
  results: GPUBuffer;
  /** (cos, sin) [context][headDim / 2] */
  localAngles: GPUBuffer;
  globalAngles: GPUBuffer;
  prompt: BatchBuffers;
  generated: BatchBuffers;
}

export interface BufferShape {
  slotCount: number;
  contextTokens: number;
  /** The most prompt rows in a batch. */
  chunk: number;
  needsGateUp: boolean;
}

export function createModelBuffers(device: GpuDevice, config: Gemma3Config, shape: BufferShape): ModelBuffers {
  const { hiddenSize, feedForwardSize, headCount, kvHeadCount, headDim, vocabularySize, layerCount } = config;
  const { slotCount, contextTokens, chunk } = shape;
  const rows = Math.max(chunk, MAX_GENERATED_ROWS);
  const storage = (label: string, words: number) =>
    device.createBuffer(label, words * 4, STORAGE | COPY_SRC | COPY_DST);
  const batch = (label: string, rowCount: number): BatchBuffers => ({
    batch: device.createBuffer(`${label} batch`, 16, UNIFORM | COPY_DST),
    rows: storage(`${label} rows`, rowCount * ROW_WORDS),
  });
  const layers = Array.from({ length: layerCount }, (_, layer) => layer);
  const splits = Math.max(
    ...layers.map((layer) => (device.features.naive ? attentionSplits : decodeSplits)(config, layer, contextTokens)),
  );
  const branchSplits = device.features.naive
    ? 1
    : Math.max(matmulSplits(feedForwardSize), matmulSplits(headCount * headDim));
  const angles = (label: string, theta: number, scale: number) =>
    device.createBufferWith(label, ropeAngles(headDim, contextTokens, theta, scale));
  return {
    residual: storage('residual', rows * hiddenSize),
    otherResidual: storage('other residual', rows * hiddenSize),
    normed: storage('normed', rows * hiddenSize),
    branch: storage('branch', rows * hiddenSize * branchSplits),
    qkv: storage('qkv', rows * (headCount + 2 * kvHeadCount) * headDim),
    attention: storage('attention', rows * headCount * headDim),
    partials: storage('attention partials', MAX_GENERATED_ROWS * headCount * splits * (headDim + 4)),
    gated: storage('gated', rows * feedForwardSize),
    gateUp: storage('gate and up', shape.needsGateUp ? rows * 2 * feedForwardSize : 0),
    logits: storage('logits', MAX_GENERATED_ROWS * vocabularySize),
    slots: storage('slots', slotCount * SLOT_WORDS),
    history: storage('history', slotCount * contextTokens),
    mask: storage('masks', slotCount * maskWords(vocabularySize)),
    results: storage('results', MAX_GENERATED_ROWS * RESULT_WORDS),
    localAngles: angles('local angles', config.ropeThetaLocal, 1),
    globalAngles: layers.some((layer) => isGlobalLayer(config, layer))
      ? angles('global angles', config.ropeThetaGlobal, config.ropeScaleGlobal)
      : storage('global angles', 0),
    prompt: batch('prompt', chunk),
    generated: batch('generated', MAX_GENERATED_ROWS),
  };
}

/**
 * (cos, sin) of position · theta^(−2i / headDim) / scale, [positions][headDim / 2]. Each step is rounded to f32 as in Hugging
 * Face's Gemma3RotaryEmbedding; the GPU's own sin and cos are too coarse for large angles.
 */
export function ropeAngles(
  headDim: number,
  positions: number,
  theta: number,
  scale: number,
): Float32Array<ArrayBuffer> {
  const half = headDim / 2;
  const frequencies = Array.from({ length: half }, (_, i) => {
    const power = Math.fround(theta ** Math.fround((2 * i) / headDim));
    return Math.fround(Math.fround(1 / power) / scale);
  });
  const angles = new Float32Array(positions * headDim);
  for (let position = 0, at = 0; position < positions; position++) {
    for (const frequency of frequencies) {
      const angle = Math.fround(position * frequency);
      angles[at++] = Math.cos(angle);
      angles[at++] = Math.sin(angle);
    }
  }
  return angles;
}
