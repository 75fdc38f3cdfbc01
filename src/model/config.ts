/** The hyper-parameters of a Gemma 3 text model, whatever file they were read from. */
export interface Gemma3Config {
  hiddenSize: number;
  feedForwardSize: number;
  layerCount: number;
  headCount: number;
  kvHeadCount: number;
  headDim: number;
  vocabularySize: number;
  contextLength: number;
  rmsNormEpsilon: number;
  /** What q is multiplied by before q·k: `query_pre_attn_scalar ** -0.5`. */
  queryScale: number;
  /** A local layer's query q sees key k iff 0 ≤ q − k < slidingWindow. */
  slidingWindow: number;
  /** Layer i is global iff (i + 1) % slidingWindowPattern === 0. */
  slidingWindowPattern: number;
  ropeThetaGlobal: number;
  ropeThetaLocal: number;
  /** Linear scaling: global layers' positions are divided by this (8 for 4B and larger, else 1). */
  ropeScaleGlobal: number;
}

/** Whether layer `layer` attends to everything before it (true) or only to its sliding window. */
export function isGlobalLayer(config: Gemma3Config, layer: number): boolean {
  return (layer + 1) % config.slidingWindowPattern === 0;
}

/** The n of "every nth layer is global" that a list of a model's layers amounts to; undefined where there is no such n. */
export function globalPattern(isGlobal: readonly boolean[]): number | undefined {
  const first = isGlobal.indexOf(true);
  const pattern = first < 0 ? isGlobal.length + 1 : first + 1;
  return isGlobal.every((global, i) => global === ((i + 1) % pattern === 0)) ? pattern : undefined;
}
