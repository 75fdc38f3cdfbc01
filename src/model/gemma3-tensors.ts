import { LapisError } from '../protocol/errors.ts';
import { printable } from '../protocol/printable.ts';
import type { Gemma3Config } from './config.ts';
import { CONFIG_LIMITS } from './limits.ts';
import type { TensorInfo } from './tensor.ts';

/** Shapes of every tensor that a Gemma 3 text model has, by GGUF name, slowest dimension first. */
export function expectedTensors(config: Gemma3Config): Map<string, number[]> {
  const { hiddenSize, feedForwardSize, headCount, kvHeadCount, headDim, vocabularySize } = config;
  const shapes = new Map<string, number[]>([
    ['token_embd.weight', [vocabularySize, hiddenSize]],
    ['output_norm.weight', [hiddenSize]],
  ]);
  for (let layer = 0; layer < config.layerCount; layer++) {
    const block = `blk.${layer}`;
    shapes.set(`${block}.attn_norm.weight`, [hiddenSize]);
    shapes.set(`${block}.attn_q.weight`, [headCount * headDim, hiddenSize]);
    shapes.set(`${block}.attn_k.weight`, [kvHeadCount * headDim, hiddenSize]);
    shapes.set(`${block}.attn_v.weight`, [kvHeadCount * headDim, hiddenSize]);
    shapes.set(`${block}.attn_q_norm.weight`, [headDim]);
    shapes.set(`${block}.attn_k_norm.weight`, [headDim]);
    shapes.set(`${block}.attn_output.weight`, [hiddenSize, headCount * headDim]);
    shapes.set(`${block}.post_attention_norm.weight`, [hiddenSize]);
    shapes.set(`${block}.ffn_norm.weight`, [hiddenSize]);
    shapes.set(`${block}.ffn_gate.weight`, [feedForwardSize, hiddenSize]);
    shapes.set(`${block}.ffn_up.weight`, [feedForwardSize, hiddenSize]);
    shapes.set(`${block}.ffn_down.weight`, [hiddenSize, feedForwardSize]);
    shapes.set(`${block}.post_ffw_norm.weight`, [hiddenSize]);
  }
  return shapes;
}

/** The optional head; without it the head is tied to `token_embd.weight`. */
export const OUTPUT_TENSOR = 'output.weight';

/** Throws `corrupt` for a tensor that is missing, stands there twice or has another shape, `unsupported` for one that Gemma 3 does not have. */
export function checkTensors(config: Gemma3Config, tensors: readonly Pick<TensorInfo, 'name' | 'shape'>[]): void {
  const expected = expectedTensors(config);
  const found = new Set<string>();
  for (const { name, shape } of tensors) {
    const wanted = name === OUTPUT_TENSOR ? expected.get('token_embd.weight') : expected.get(name);
    if (!wanted) {
      throw new LapisError(
        'unsupported',
        `The tensor ${printable(name)} is not part of a Gemma 3 text model of ${config.layerCount} layers.`,
      );
    }
    if (found.has(name)) throw new LapisError('corrupt', `The tensor ${name} stands there twice.`);
    if (wanted.join() !== shape.join()) {
      throw new LapisError(
        'corrupt',
        `The tensor ${name} has the shape [${shape.join(', ')}], but the configuration needs [${wanted.join(', ')}].`,
      );
    }
    found.add(name);
  }
  for (const name of expected.keys()) {
    if (!found.has(name)) throw new LapisError('corrupt', `The tensor ${name} is missing.`);
  }
}

/** Throws `corrupt` naming the first hyper-parameter that no Gemma 3 model can have. Returns the config. */
export function checkConfig(config: Gemma3Config): Gemma3Config {
  const fail = (name: string, value: unknown): never => {
    throw new LapisError('corrupt', `The model's ${name} is ${String(value)}, which is not possible.`);
  };
  for (const [name, limit] of Object.entries(CONFIG_LIMITS)) {
    const value = config[name as keyof typeof CONFIG_LIMITS];
    if (!Number.isInteger(value) || value < 1 || value > limit) fail(name, value);
  }
  for (const name of [
    'rmsNormEpsilon',
    'queryScale',
    'ropeThetaGlobal',
    'ropeThetaLocal',
    'ropeScaleGlobal',
  ] as const) {
    // As the kernels have it.
    const value = Math.fround(config[name]);
    if (!Number.isFinite(value) || value <= 0) fail(name, config[name]);
  }
  if (config.headCount % config.kvHeadCount !== 0) fail('kvHeadCount', config.kvHeadCount);
  if (config.headDim % 2 !== 0) fail('headDim', config.headDim);
  return config;
}
