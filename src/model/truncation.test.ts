import { describe, expect, test } from 'vitest';
import { expectSentence } from '../../tests/fixtures/hostile/expectations.ts';
import { safetensorsParts } from '../../tests/fixtures/hostile/folder-mutations.ts';
import { ggufStructure } from '../../tests/fixtures/hostile/gguf-structure.ts';
import { memoryFolder, memoryShards, TINY_CONFIG, tinyGguf, tinyHuggingFace } from '../../tests/fixtures/tiny-model.ts';
import type { LapisError } from '../protocol/errors.ts';
import { memorySource } from './byte-source.ts';
import { storeGguf } from './convert.ts';
import { openGguf } from './gguf.ts';
import { openHuggingFace } from './huggingface.ts';
import { MANIFEST_FILE } from './manifest.ts';
import { openShards } from './shards.ts';
import type { ModelSource } from './source.ts';

/* Files that end too early, at every place where one thing ends and the next begins. */

const CONFIG = { ...TINY_CONFIG, hiddenSize: 32, feedForwardSize: 32, headCount: 2, kvHeadCount: 1, headDim: 16 };
const gguf = tinyGguf(CONFIG);

async function drain(model: ModelSource): Promise<void> {
  for await (const _ of model.weights());
}

/** What opening and reading to the end fails with. */
async function failure(open: () => Promise<ModelSource>): Promise<LapisError> {
  const error = await open()
    .then(drain)
    .then(
      () => new Error('It was read to its end.'),
      (reason) => reason,
    );
  expectSentence(error);
  return error;
}

describe('a GGUF file', () => {
  const { pieces, headerEnd, dataOffset } = ggufStructure(gguf);

  /** Every place in the header where a value begins. */
  const boundaries = ((): number[] => {
    const places = [0];
    let start = 0;
    for (const { fields, bytes } of pieces) {
      for (const { at, bytes: length } of fields) places.push(start + at + length);
      start += bytes.length;
    }
    return [...new Set(places)];
  })();

  test('that ends at any boundary of its header, or a byte before or after it, is found out', async () => {
    expect(boundaries.length).toBeGreaterThan(1500);
    expect(boundaries.at(-1)).toBe(headerEnd);
    const ends = new Set(boundaries.flatMap((end) => [end - 1, end, end + 1]).filter((end) => end >= 0));
    for (const end of ends) {
      const { code, message } = await failure(() => openGguf(memorySource(gguf.subarray(0, end)), { id: 'cut' }));
      expect(code).toBe('corrupt');
      if (end === 0) expect(message).toBe('The file is empty.');
      else if (end < headerEnd)
        expect(message).toBe(`The file ends after ${end} bytes, in the middle of its GGUF header.`);
      else expect(message).toMatch(/^The file ends at byte \d+, before the end of the tensor [\w.]+ at \d+\.$/);
    }
  });

  test('that ends in its padding or in the data of any tensor is found out, and the tensor is named', async () => {
    const { tensors } = await openGguf(memorySource(gguf), { id: 'whole' });
    expect(tensors[0].fileOffset).toBe(dataOffset);
    const last = tensors.at(-1)!;
    for (const { name, fileOffset, bytes } of tensors) {
      for (const end of [fileOffset - 1, fileOffset, fileOffset + 1, fileOffset + bytes - 1]) {
        const { message } = await failure(() => openGguf(memorySource(gguf.subarray(0, end)), { id: 'cut' }));
        expect(message).toContain(`The file ends at byte ${end}, before the end of the tensor `);
        if (name === last.name && end >= fileOffset) expect(message).toContain(name);
      }
    }
    // Only what pads the file after its last tensor may be missing.
    await drain(await openGguf(memorySource(gguf.subarray(0, last.fileOffset + last.bytes)), { id: 'cut' }));
  });
});

describe('a Hugging Face folder', () => {
  const files = tinyHuggingFace(CONFIG);
  const whole = new Uint8Array(files.get('model.safetensors')!);

  test('whose weights end at any boundary is found out, and the file is named', async () => {
    const { header, data } = safetensorsParts(whole);
    const dataOffset = whole.length - data.length;
    const json = new TextDecoder().decode(whole.subarray(8, dataOffset));
    const ends = [0, 1, 7, 8, 9];
    for (const sign of json.matchAll(/[{}[\]":,]/g)) ends.push(8 + sign.index);
    const rows = JSON.parse(json) as Record<string, { data_offsets?: number[] }>;
    for (const { data_offsets: offsets } of Object.values(rows)) {
      for (const offset of offsets ?? [])
        ends.push(dataOffset + offset - 1, dataOffset + offset, dataOffset + offset + 1);
    }
    expect('entries' in header && header.entries.length).toBeGreaterThan(20);
    expect(ends.length).toBeGreaterThan(500);
    for (const end of ends.filter((place) => place < whole.length)) {
      const cut = new Map(files).set('model.safetensors', whole.subarray(0, end));
      const { code, message } = await failure(() => openHuggingFace(memoryFolder(cut), { id: 'cut' }));
      expect(code).toBe('corrupt');
      expect(message).toMatch(
        /^model\.safetensors (is too short|ends in the middle of its header|ends before the tensor)/,
      );
    }
  });

  test.each(['config.json', 'tokenizer.model', 'tokenizer_config.json'])(
    'whose %s ends early is found out',
    async (name) => {
      const bytes = files.get(name)!;
      for (let end = name === 'tokenizer.model' ? 1 : 0; end < bytes.length; end++) {
        const cut = new Map(files).set(name, bytes.subarray(0, end));
        const { code, message } = await failure(() => openHuggingFace(memoryFolder(cut), { id: 'cut' }));
        expect(code).toBe('corrupt');
        expect(message, `at ${end}`).toMatch(
          name === 'tokenizer.model'
            ? /^tokenizer\.model is damaged: it (is not a SentencePiece model|ends before its last piece)\.$/
            : `${name} is not JSON.`,
        );
      }
    },
  );
});

describe('a shard folder', () => {
  const stored = async (): Promise<ReturnType<typeof memoryShards>> => {
    const folder = memoryShards();
    await storeGguf(folder, await openGguf(memorySource(gguf), { id: 'tiny' }), { modelId: 'tiny', shardBytes: 4096 });
    return folder;
  };

  test('one of whose shards is missing or ends early is found out before its weights end, and the shard is named', async () => {
    const folder = await stored();
    const shards = [...folder.files.keys()].filter((name) => name !== MANIFEST_FILE);
    expect(shards.length).toBeGreaterThan(5);
    for (const name of shards) {
      const bytes = folder.files.get(name)!;
      for (const end of [0, 1, bytes.length >> 1, bytes.length - 1]) {
        folder.files.set(name, bytes.subarray(0, end));
        const { code, message } = await failure(() => openShards(folder));
        expect(code).toBe('corrupt');
        expect(message).toBe(`${name} has ${end} bytes instead of ${bytes.length}.`);
      }
      folder.files.set(name, new Uint8Array([...bytes, 0]));
      expect((await failure(() => openShards(folder))).message).toMatch(`${name} has`);
      folder.files.delete(name);
      expect((await failure(() => openShards(folder))).message).toMatch(name);
      folder.files.set(name, bytes);
    }
    await drain(await openShards(folder));
  });

  test('whose manifest ends anywhere is found out', async () => {
    const folder = await stored();
    const bytes = folder.files.get(MANIFEST_FILE)!;
    const text = new TextDecoder().decode(bytes);
    // All but the line's end, which says nothing.
    const ends = Array.from(text.matchAll(/[{}[\]":,]/g), ({ index }) => index);
    expect(ends.length).toBeGreaterThan(2000);
    for (const end of ends) {
      folder.files.set(MANIFEST_FILE, new TextEncoder().encode(text.slice(0, end)));
      const { code, message } = await failure(() => openShards(folder));
      expect(code).toBe('corrupt');
      expect(message).toBe('The manifest is damaged: it is not JSON.');
    }
    folder.files.delete(MANIFEST_FILE);
    expect((await failure(() => openShards(folder))).message).toContain(MANIFEST_FILE);
  });
});
