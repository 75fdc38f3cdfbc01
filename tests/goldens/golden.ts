import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Gemma3 } from '../../src/gpu/gemma3.ts';

/** What Hugging Face says of a model (README.md beside this file). */
export interface Golden {
  /** The model: a `.gguf` file or a Hugging Face folder. */
  model: string;
  tokens: number[];
  /** f32 [vocabulary] after the last of `tokens`. */
  logits: Float32Array;
  top16: { position: number; top: [id: number, logit: number][] }[];
  /** `gaps`: how far the best logit is above the second at each of `tokens`, as a share of the logits' root mean square. */
  greedy: { prompt: number[]; tokens: number[]; gaps: number[] };
}

/** An f32 engine with an f16 KV cache is within this relative L2 of Hugging Face's f32 logits on the same weights. */
export const TOLERANCE = 1e-3;

function path(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

function floats(file: string): Float32Array {
  return new Float32Array(new Uint8Array(readFileSync(file)).buffer);
}

function rootMeanSquare(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}

/** `small-Q8_0` and `wide-Q4_0` are GGUF files; `tiny`, `wide` and `grouped` Hugging Face folders. */
export function readGolden(name: string): Golden {
  const isGguf = name.includes('Q');
  const folder = path(isGguf ? `reference/${name}` : `data/${name}/`);
  const json = JSON.parse(readFileSync(isGguf ? `${folder}.json` : `${folder}golden.json`, 'utf8'));
  const logits = floats(isGguf ? `${folder}.logits.f32` : `${folder}logits.f32`);
  const { greedy } = json;
  const gaps = greedy.gaps ?? greedy.margins.map((margin: number) => margin / rootMeanSquare(logits));
  return { ...json, logits, greedy: { ...greedy, gaps }, model: isGguf ? `${folder}.gguf` : folder };
}

/** The logits after `tokens`, prefilled in chunks of `chunk`. */
export async function logitsAfter(model: Gemma3, tokens: readonly number[], chunk?: number): Promise<Float32Array> {
  const slot = model.openSlot()!;
  try {
    await model.prefill(slot, tokens, { chunk });
    return await model.logits(slot);
  } finally {
    model.closeSlot(slot);
  }
}

/** The greedy continuation of a prompt. */
export async function greedy(model: Gemma3, prompt: readonly number[], count: number): Promise<number[]> {
  const slot = model.openSlot()!;
  const tokens = [(await model.prefill(slot, prompt)).token];
  while (tokens.length < count) tokens.push((await model.step([slot]))[0].token);
  model.closeSlot(slot);
  return tokens;
}
