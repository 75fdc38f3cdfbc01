import { describe, expect, test } from 'vitest';
import { memorySource } from '../../src/model/byte-source.ts';
import { openGguf } from '../../src/model/gguf.ts';
import { isNorm } from '../../src/model/norm.ts';
import type { ModelSource } from '../../src/model/source.ts';
import { gemma3Metadata, ggufFile } from '../../tools/gguf-writer.ts';
import { loadModel } from '../../tools/load-model.ts';
import { openModel } from '../../tools/model-files.ts';
import { relativeL2 } from '../gpu/test-device.ts';
import { logitsAfter, readGolden, TOLERANCE } from './golden.ts';

/*
 * The story that Lapis grew from, as a test: q_norm and k_norm without their + 1, or with it twice, must move the logits far beyond
 * the tolerance; and weights must give the same logits whether they come with `w` (safetensors) or with `1 + w` (GGUF).
 */

const golden = readGolden('tiny');

async function logitsOf(source: ModelSource): Promise<Float32Array> {
  const { model, close } = await loadModel(source, { contextTokens: 512, slotCount: 1 });
  try {
    return await logitsAfter(model, golden.tokens);
  } finally {
    close();
  }
}

/** `source` with `offset` added to every norm that `which` picks, as a loader would that adds the + 1 wrongly. */
function withOffset(source: ModelSource, which: (name: string) => boolean, offset: number): ModelSource {
  return {
    ...source,
    async *weights(options) {
      for await (const chunk of source.weights(options)) {
        if (which(chunk.tensor.name)) {
          const factors = new Float32Array(chunk.bytes.slice().buffer).map((factor) => factor + offset);
          yield { ...chunk, bytes: new Uint8Array(factors.buffer) };
        } else yield chunk;
      }
    },
  };
}

/** The same weights as a GGUF file holds them. */
async function asGguf(source: ModelSource): Promise<ModelSource> {
  const data = new Map(source.tensors.map((tensor) => [tensor.name, new Uint8Array(tensor.bytes)]));
  for await (const { tensor, offset, bytes } of source.weights()) data.get(tensor.name)!.set(bytes, offset);
  const file = ggufFile(gemma3Metadata(source.config, source.tokenizer, 'tiny'), source.tensors, data);
  return openGguf(memorySource(file), { id: 'tiny' });
}

describe('the + 1 of Gemma 3 norms', () => {
  const isQkNorm = (name: string) => /attn_[qk]_norm/.test(name);

  test.each([
    ['left off q and k norm', isQkNorm, -1],
    ['added to q and k norm twice', isQkNorm, 1],
    ['left off every other norm', (name: string) => isNorm(name) && !isQkNorm(name), -1],
  ] as const)('%s is seen by a wide margin', async (_, which, offset) => {
    const source = withOffset(await openModel(golden.model), which, offset);
    expect(relativeL2(await logitsOf(source), golden.logits)).toBeGreaterThan(100 * TOLERANCE);
  });

  test('the same weights as safetensors and as GGUF give the same logits', async () => {
    const source = await openModel(golden.model);
    const gguf = await asGguf(source);
    expect([source.normSource, gguf.normSource]).toEqual(['w', '1+w']);
    const logits = await logitsOf(gguf);
    expect(logits).toEqual(await logitsOf(source));
    expect(relativeL2(logits, golden.logits)).toBeLessThan(TOLERANCE);
  });
});
