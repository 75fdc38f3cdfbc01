import type { Gemma3Config } from '../model/config.ts';
import { BufferRanges, bytesOfRanges, spanOf } from './buffer-ranges.ts';
import { COPY_DST, COPY_SRC, type GpuDevice, STORAGE, UNIFORM } from './device.ts';
import type { Binding } from './kernel.ts';
import { attentionSplits, decodeSplits } from './kernels/attention/splits.ts';
import { RESULT_STEPS, RESULT_WORDS } from './kernels/sample/options.ts';
import { matmulSplits } from './linear.ts';
import { MAX_GENERATED_ROWS, ROW_WORDS, SLOT_WORDS } from './rows.ts';

/** u32 words of a mask of allowed tokens. */
export function maskWords(vocabularySize: number): number {
  return Math.ceil(vocabularySize / 32);
}

/** What one class of rows is described by; the two classes have one each, so that prompt chunks leave the decode loop's rows alone. */
export interface BatchBuffers {
  /** Batch, uniform. */
  batch: GPUBuffer;
  /** Row [rows]. */
  rows: GPUBufferBinding;
}

/** What a plan's steps hand each other, f32 [rows][…]. */
export interface Activations {
  /** The residual stream, [rows][hidden]. */
  residual: Binding;
  /** The residual stream after a branch was added to it, where kernels still read the other: the two take turns. */
  otherResidual: Binding;
  /** The residual stream after the next norm, [rows][hidden]. */
  normed: Binding;
  /** What a branch gives before its post-norm, [splits of its sum][rows][hidden]. */
  branch: Binding;
  /** [rows][(heads + 2·kvHeads)·headDim] */
  qkv: Binding;
  /** [rows][heads·headDim] */
  attention: Binding;
  /** Attention of generated rows before the splits are joined. */
  partials: Binding;
  /** [rows][feedForward] */
  gated: Binding;
  /** [rows][2·feedForward], only where a layer's gate and up differ in type. */
  gateUp: Binding;
}

/** Activations and state that all plans of a loaded model share. */
export interface ModelBuffers extends Activations {
  /** f32 [8][vocabulary] */
  logits: GPUBuffer;
  /** Slot [slots]. */
  slots: GPUBuffer;
  /** u32 [slots][context]: the token at each position. */
  history: GPUBuffer;
  /** u32 [slots][⌈vocabulary / 32⌉]: the tokens a slot may sample, where its sampler uses a mask. */
  mask: GPUBuffer;
  /** u32 [8][RESULT_STEPS][RESULT_WORDS]: what was sampled. */
  results: GPUBuffer;
  prompt: BatchBuffers;
  generated: BatchBuffers;
  ofOneRow: OneRowActivations;
}

/** What the steps of one generated row hand each other, in one buffer: what is written by quads, and then what is by elements. */
export interface OneRowActivations {
  activations: Pick<Activations, 'residual' | 'otherResidual' | 'partials' | 'gated' | 'branch' | 'qkv'>;
  quads: GPUBufferBinding;
  elements: GPUBufferBinding;
}

export interface BufferShape {
  slotCount: number;
  contextTokens: number;
  /** The most prompt rows in a batch. */
  chunk: number;
  needsGateUp: boolean;
  /** Row [8] of the generated rows, which stand beside what attention looks up with them. */
  generatedRows: GPUBufferBinding;
}

export function createModelBuffers(device: GpuDevice, config: Gemma3Config, shape: BufferShape): ModelBuffers {
  const { hiddenSize, feedForwardSize, headCount, kvHeadCount, headDim, vocabularySize, layerCount } = config;
  const { slotCount, contextTokens, chunk } = shape;
  const rows = Math.max(chunk, MAX_GENERATED_ROWS);
  const storage = (label: string, words: number) =>
    device.createBuffer(label, words * 4, STORAGE | COPY_SRC | COPY_DST);
  const batch = (label: string, rows: GPUBufferBinding): BatchBuffers => ({
    batch: device.createBuffer(`${label} batch`, 16, UNIFORM | COPY_DST),
    rows,
  });
  const layers = Array.from({ length: layerCount }, (_, layer) => layer);
  const splits = Math.max(
    ...layers.map((layer) => (device.features.naive ? attentionSplits : decodeSplits)(config, layer, contextTokens)),
  );
  const branchSplits = device.features.naive
    ? 1
    : Math.max(matmulSplits(feedForwardSize), matmulSplits(headCount * headDim));
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
    results: storage('results', MAX_GENERATED_ROWS * RESULT_STEPS * RESULT_WORDS),
    prompt: batch('prompt', { buffer: storage('prompt rows', chunk * ROW_WORDS), offset: 0 }),
    generated: batch('generated', shape.generatedRows),
    ofOneRow: oneRowActivations(device, config, splits),
  };
}

function oneRowActivations(device: GpuDevice, config: Gemma3Config, splits: number): OneRowActivations {
  const { hiddenSize, feedForwardSize, headCount, kvHeadCount, headDim } = config;
  const words = {
    residual: hiddenSize,
    otherResidual: hiddenSize,
    partials: headCount * splits * (headDim + 4),
    gated: feedForwardSize,
    branch: hiddenSize,
    qkv: (headCount + 2 * kvHeadCount) * headDim,
  };
  const bytes = bytesOfRanges(Object.values(words).map((count) => count * 4));
  const ranges = new BufferRanges(device.createBuffer('activations of one row', bytes, STORAGE));
  const activations = {
    residual: ranges.next(words.residual * 4),
    otherResidual: ranges.next(words.otherResidual * 4),
    partials: ranges.next(words.partials * 4),
    gated: ranges.next(words.gated * 4),
    branch: ranges.next(words.branch * 4),
    qkv: ranges.next(words.qkv * 4),
  };
  const { residual, gated, branch, qkv } = activations;
  return { activations, quads: spanOf(residual, gated), elements: spanOf(branch, qkv) };
}
