import { LapisError } from '../protocol/errors.ts';

/*
 * The one place where a stored norm weight becomes the factor that a kernel multiplies by:
 *
 *   RMSNorm(x) = x * rsqrt(mean(x²) + epsilon) * factor,  factor = 1 + w
 *
 * for every norm of Gemma 3, q_norm and k_norm included (modeling_gemma3.py, Gemma3RMSNorm). safetensors hold w; GGUF files hold
 * 1 + w already, because llama.cpp's converter adds the 1 to every `*norm.weight`. Nothing after this adds anything.
 */

/** What a file stores for a norm: `w` (safetensors) or `1+w` (GGUF). */
export type NormSource = 'w' | '1+w';

/** Whether a tensor, by its GGUF or Hugging Face name, is a norm's weight: q_norm and k_norm are. */
export function isNorm(name: string): boolean {
  return name.endsWith('norm.weight');
}

/** The effective factors of a norm whose stored weights are `stored`, as f32. */
export function effectiveNorm(stored: Float32Array, source: NormSource): Float32Array<ArrayBuffer> {
  const factors = new Float32Array(stored.length);
  for (let i = 0; i < stored.length; i++) {
    // Storing into a Float32Array rounds 1 + w to f32, as PyTorch's `1.0 + weight.float()` does.
    factors[i] = source === 'w' ? 1 + stored[i] : stored[i];
    if (!Number.isFinite(factors[i])) throw new LapisError('corrupt', `A norm's weight ${i} is not a finite number.`);
  }
  return factors;
}
