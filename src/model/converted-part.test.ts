import { describe, expect, test } from 'vitest';
import {
  hfName,
  memoryFolder,
  memoryShards,
  safetensorsFile,
  TINY_WIDE_CONFIG,
  tinyHuggingFace,
  tinyWeights,
} from '../../tests/fixtures/tiny-model.ts';
import { quantize } from './codecs/registry.ts';
import { convertModel } from './convert.ts';
import type { ConvertedPart } from './converted-part.ts';
import { OtherWeights } from './converted-part.ts';
import { expectedTensors } from './gemma3-tensors.ts';
import { openHuggingFace } from './huggingface.ts';
import { MANIFEST_FILE } from './manifest.ts';
import type { ModelSource } from './source.ts';

const OPTIONS = { modelId: 'tiny', quantization: 'q4_k_m' as const, shardBytes: 90_000 };

/** The tiny model, or one that differs in the first weight of one tensor. */
function open(changed?: string): Promise<ModelSource> {
  const shapes = expectedTensors(TINY_WIDE_CONFIG);
  const tensors = Array.from(tinyWeights(TINY_WIDE_CONFIG), ([name, values]) => {
    const copy = values.slice();
    if (name === changed) copy[0] += 1;
    return { name: hfName(name), dtype: 'BF16', shape: shapes.get(name)!, data: quantize('BF16', copy) };
  });
  const files = tinyHuggingFace(TINY_WIDE_CONFIG).set('model.safetensors', safetensorsFile(tensors));
  return openHuggingFace(memoryFolder(files), { id: 'tiny' });
}

/** A whole conversion, and what there was of it after each shard. */
async function converted() {
  const folder = memoryShards();
  const parts: ConvertedPart[] = [];
  const manifest = await convertModel(folder, await open(), {
    ...OPTIONS,
    onPart: async (part) => void parts.push({ ...part, shards: [...part.shards] }),
  });
  return { folder, parts, manifest };
}

/** Goes on with a part, and says which files were written. */
async function goOn(kept: ConvertedPart, model: ModelSource, options: Partial<typeof OPTIONS> = {}) {
  const folder = memoryShards();
  const done: number[] = [];
  const onProgress = ({ bytesDone }: { bytesDone: number }) => done.push(bytesDone);
  const manifest = await convertModel(folder, model, { ...OPTIONS, ...options, kept, onProgress });
  return { folder, manifest, done };
}

describe('a conversion that was cut off', () => {
  test('after any shard goes on with the next, as if nothing had happened', async () => {
    const whole = await converted();
    expect(whole.parts.length).toBeGreaterThan(5);
    for (const [index, part] of whole.parts.entries()) {
      const { folder, manifest, done } = await goOn(part, await open());
      expect(manifest).toEqual(whole.manifest);
      const rest = whole.manifest.shards.slice(index + 1).map(({ file }) => file);
      expect([...folder.files.keys()]).toEqual([...rest, MANIFEST_FILE]);
      for (const [name, bytes] of folder.files) {
        expect(Buffer.compare(bytes, whole.folder.files.get(name)!), name).toBe(0);
      }
      const kept = part.shards.reduce((sum, { bytes }) => sum + bytes, 0);
      // While the kept weights are compared, too.
      expect(done[0]).toBeLessThanOrEqual(kept);
      expect(done).toEqual(done.toSorted((a, b) => a - b));
      expect(done.at(-1)).toBe(part.bytes);
    }
  });

  test('twice leaves what the first time would have left', async () => {
    const { parts } = await converted();
    const left: ConvertedPart[] = [];
    const onPart = async (part: ConvertedPart) => void left.push({ ...part, shards: [...part.shards] });
    await convertModel(memoryShards(), await open(), { ...OPTIONS, kept: parts[1], onPart });
    expect(left).toEqual(parts.slice(2));
  });

  test('goes on with no other weights than those that the kept shards were made from', async () => {
    const { parts, manifest } = await converted();
    const tensors = manifest.tensors.filter(({ parts: [{ shard }] }) => shard <= 3);
    const behind = manifest.tensors.filter(({ parts: [{ shard }] }) => shard > 3);
    expect(tensors.some(({ parts }) => parts.some(({ shard }) => shard > 3))).toBe(true);
    for (const { name } of tensors) await expect(goOn(parts[3], await open(name)), name).rejects.toThrow(OtherWeights);
    expect((await goOn(parts[3], await open(behind[1].name))).manifest.shards.slice(0, 4)).toEqual(parts[3].shards);
  });

  test('goes on with nothing that is cut or quantized otherwise', async () => {
    const { parts } = await converted();
    await expect(goOn(parts[3], await open(), { shardBytes: 60_000 })).rejects.toThrow(OtherWeights);
    const otherwise = { ...OPTIONS, quantization: 'q8_0' as const };
    const work = convertModel(memoryShards(), await open(), { ...otherwise, kept: { ...parts[0], shards: [] } });
    await expect(work).rejects.toThrow(OtherWeights);
  });
});
