import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectSentence, expectUsable } from '../../tests/fixtures/hostile/expectations.ts';
import {
  type Files,
  FOLDER_CHANGES,
  mutateFolder,
  safetensorsParts,
} from '../../tests/fixtures/hostile/folder-mutations.ts';
import { jsonText } from '../../tests/fixtures/hostile/json-mutations.ts';
import { Randomness } from '../../tests/fixtures/hostile/randomness.ts';
import { installWatch, watched, watchedSource } from '../../tests/fixtures/hostile/watched.ts';
import { safetensorsFile, TINY_CONFIG, TINY_TOKENIZER, tinyHuggingFace } from '../../tests/fixtures/tiny-model.ts';
import { openHuggingFace } from './huggingface.ts';
import { FOLDER_LIMITS } from './limits.ts';

/* Hugging Face folders that lie. Each opens as a model that can be used, or is refused with a sentence, at a bounded cost. */

const FOLDERS = process.env.LAPIS_LONG === '1' ? 20_000 : 500;

const CONFIG = { ...TINY_CONFIG, hiddenSize: 32, feedForwardSize: 32, headCount: 2, kvHeadCount: 1, headDim: 16 };

function json(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

function copyOf(files: ReadonlyMap<string, Uint8Array>): Files {
  return new Map(Array.from(files, ([name, bytes]) => [name, new Uint8Array(bytes)]));
}

/** One safetensors file, a SentencePiece model. */
const single = copyOf(tinyHuggingFace(CONFIG));

/** Two safetensors files by their index, and the tokenizer as JSON. */
const several = ((): Files => {
  const files = copyOf(single);
  const { header, data } = safetensorsParts(files.get('model.safetensors')!);
  files.delete('model.safetensors');
  files.delete('tokenizer.model');
  const rows = JSON.parse(jsonText(header)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: number[] }
  >;
  const tensors = Object.entries(rows)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, row]) => ({ ...row, name, data: data.subarray(row.data_offsets[0], row.data_offsets[1]) }));
  const map: Record<string, string> = {};
  for (const [i, part] of [tensors.slice(0, 10), tensors.slice(10)].entries()) {
    const label = `model-0000${i + 1}-of-00002.safetensors`;
    files.set(label, safetensorsFile(part));
    for (const { name } of part) map[name] = label;
  }
  files.set('model.safetensors.index.json', json({ metadata: { total_size: data.length }, weight_map: map }));
  const { tokens, types } = TINY_TOKENIZER;
  const pieces = tokens.map((token, id) => [token, id] as const);
  files.set(
    'tokenizer.json',
    json({
      model: {
        type: 'BPE',
        byte_fallback: true,
        vocab: Object.fromEntries(pieces.filter(([, id]) => types[id] === 1 || types[id] === 6)),
        merges: [['a', 'b'], 'b c'],
      },
      added_tokens: pieces
        .filter(([, id]) => types[id] === 3 || types[id] === 4)
        .map(([content, id]) => ({ id, content, special: types[id] === 3 })),
    }),
  );
  files.set('tokenizer_config.json', json({ bos_token: '<bos>', eos_token: { content: '<eos>' } }));
  files.set('added_tokens.json', json({ '▁▁': 6 }));
  return files;
})();

let uninstall: () => void;
beforeAll(() => {
  uninstall = installWatch();
});
afterAll(() => uninstall());

/** Whether the first header is there and is an object in JSON: what "magic and version" are to a GGUF. */
function headerIsJson(files: Files): boolean {
  const file = [...files].find(([name]) => name.endsWith('.safetensors'))?.[1];
  try {
    return file !== undefined && 'entries' in safetensorsParts(file).header;
  } catch {
    return false;
  }
}

function open(files: Files): ReturnType<typeof openHuggingFace> {
  const folder = {
    async open(name: string) {
      // Names of the folder's own files and nothing else: no path, whatever the index says.
      if (!/^\w[\w.-]*$/.test(name)) throw new Error(`The reader opened ${JSON.stringify(name)}.`);
      const bytes = files.get(name);
      return bytes && watchedSource(bytes);
    },
  };
  return openHuggingFace(folder, { id: 'mutated' });
}

test('the folders open as they are', async () => {
  for (const files of [single, several]) {
    const model = await open(files);
    expect(model.config).toEqual(CONFIG);
    await expectUsable(model);
  }
});

test(`${FOLDERS} mutated folders open as models or are refused with a sentence, at a bounded cost`, async () => {
  const random = new Randomness(22);
  const changesMade = new Set<string>();
  const sentences = new Map<string, number>();
  let passed = 0;
  let opened = 0;
  for (let round = 0; round < FOLDERS; round++) {
    const { files, change } = mutateFolder(random.oneIn(2) ? single : several, random);
    changesMade.add(change);
    if (headerIsJson(files)) passed++;
    const total = [...files.values()].reduce((sum, { length }) => sum + length, 0);
    const most = {
      bytesRead: total,
      largestRead: Math.min(total, FOLDER_LIMITS.safetensorsHeaderBytes),
      steps: total + 1000,
      bytesAllocated: 20 * total + 100_000,
    };
    const { cost, outcome } = await watched(most, () => open(files));
    try {
      if (outcome instanceof Error) {
        expectSentence(outcome);
        const sentence = outcome.message.replace(/[\d"].*/s, '');
        sentences.set(sentence, (sentences.get(sentence) ?? 0) + 1);
      } else {
        opened++;
        await expectUsable(outcome);
      }
      for (const [what, spent] of Object.entries(cost)) {
        expect(spent, what).toBeLessThanOrEqual(most[what as keyof typeof most]);
      }
    } catch (error) {
      throw new Error(`Folder ${round}, changed in ${change}: ${(error as Error).message}`, { cause: error });
    }
  }
  expect(passed).toBeGreaterThan(0.7 * FOLDERS);
  expect(opened).toBeGreaterThan(0.05 * FOLDERS);
  expect(opened).toBeLessThan(0.5 * FOLDERS);
  expect([...changesMade].toSorted()).toEqual(FOLDER_CHANGES.toSorted());
  expect(sentences.size).toBeGreaterThan(40);
});
