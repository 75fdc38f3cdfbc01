import type { Gemma3Config } from './config.ts';
import { OUTPUT_TENSOR } from './gemma3-tensors.ts';
import type { Quantization } from './manifest.ts';
import { TENSOR_TYPES, type TensorInfo, type TensorType } from './tensor.ts';

/*
 * Which tensor becomes which type: llama.cpp's rules (src/llama-quant.cpp, llama_tensor_get_type_impl and tensor_type_fallback)
 * for a dense model quantized without an importance matrix.
 */

const BASE_TYPE: Record<Quantization, TensorType> = {
  q4_k_m: 'Q4_K',
  q4_0: 'Q4_0',
  q5_0: 'Q5_0',
  q8_0: 'Q8_0',
  f16: 'F16',
};

/** What a type falls back to where a row is no multiple of its 256. */
const FALLBACK: Partial<Record<TensorType, TensorType>> = { Q4_K: 'Q5_0', Q6_K: 'Q8_0' };

/** The layers to which Q4_K_M gives more bits: the first and the last eighth, and every third between. */
export function hasMoreBits(layer: number, layerCount: number): boolean {
  const eighth = Math.floor(layerCount / 8);
  return layer < eighth || layer >= Math.floor((7 * layerCount) / 8) || (layer - eighth) % 3 === 2;
}

function preferredType(name: string, quantization: Quantization, layerCount: number, tied: boolean): TensorType {
  const base = BASE_TYPE[quantization];
  const isHead = name === OUTPUT_TENSOR || (tied && name === 'token_embd.weight');
  if (isHead) return base === 'Q8_0' ? base : 'Q6_K';
  if (quantization === 'q4_k_m') {
    const layer = /^blk\.(\d+)\.(attn_v|ffn_down)\.weight$/.exec(name);
    if (layer && hasMoreBits(Number(layer[1]), layerCount)) return 'Q6_K';
  }
  return base;
}

/**
 * The type that a tensor is stored as under `quantization`. Vectors (the norms) stay F32; a row that fits neither the type nor its
 * fall-back becomes F16.
 */
export function quantizedType(
  { name, shape }: Pick<TensorInfo, 'name' | 'shape'>,
  quantization: Quantization,
  { config, tensors }: { config: Gemma3Config; tensors: readonly TensorInfo[] },
): TensorType {
  if (shape.length < 2) return 'F32';
  if (quantization === 'f16') return 'F16';
  const tied = !tensors.some((tensor) => tensor.name === OUTPUT_TENSOR);
  const fits = (type: TensorType): boolean => shape[shape.length - 1] % TENSOR_TYPES[type].blockSize === 0;
  const preferred = preferredType(name, quantization, config.layerCount, tied);
  if (fits(preferred)) return preferred;
  const fallback = FALLBACK[preferred];
  return fallback && fits(fallback) ? fallback : 'F16';
}
