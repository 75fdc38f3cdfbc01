import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectSentence, expectUsable } from '../../tests/fixtures/hostile/expectations.ts';
import { GGUF_CHANGES, mutateGguf } from '../../tests/fixtures/hostile/gguf-mutations.ts';
import { ggufStructure } from '../../tests/fixtures/hostile/gguf-structure.ts';
import { Randomness } from '../../tests/fixtures/hostile/randomness.ts';
import { installWatch, watched, watchedSource } from '../../tests/fixtures/hostile/watched.ts';
import { TINY_CONFIG, tinyGguf } from '../../tests/fixtures/tiny-model.ts';
import { LapisError } from '../protocol/errors.ts';
import { openGguf } from './gguf.ts';

/* GGUF files that lie. Every file either opens as a model that can be used, or is refused with a sentence, at a bounded cost. */

const FILES = process.env.LAPIS_LONG === '1' ? 20_000 : 500;

/** Small, so that thousands are read in seconds: nearly all of the file is its header. */
const whole = tinyGguf({
  ...TINY_CONFIG,
  hiddenSize: 32,
  feedForwardSize: 32,
  headCount: 2,
  kvHeadCount: 1,
  headDim: 16,
});
const structure = ggufStructure(whole);

let uninstall: () => void;
beforeAll(() => {
  uninstall = installWatch();
});
afterAll(() => uninstall());

function passesMagicAndVersion(bytes: Uint8Array<ArrayBuffer>): boolean {
  if (bytes.length < 8) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return view.getUint32(0, true) === 0x46554747 && [2, 3].includes(view.getUint32(4, true));
}

test(`${FILES} mutated GGUF files open as models or are refused with a sentence, at a bounded cost`, async () => {
  const random = new Randomness(21);
  const changesMade = new Map<string, number>();
  const sentences = new Map<string, number>();
  let passed = 0;
  let opened = 0;
  for (let round = 0; round < FILES; round++) {
    const { bytes, changes } = mutateGguf(whole, structure, random);
    for (const change of changes) changesMade.set(change, (changesMade.get(change) ?? 0) + 1);
    if (passesMagicAndVersion(bytes)) passed++;
    // The file is read once, and no list in memory is larger than a few copies of it.
    const most = {
      bytesRead: bytes.length,
      largestRead: bytes.length,
      steps: bytes.length + 100,
      bytesAllocated: 20 * bytes.length + 100_000,
    };
    const { cost, outcome } = await watched(most, () => openGguf(watchedSource(bytes), { id: 'mutated' }));
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
      throw new Error(`File ${round}, changed in ${changes.join(', ')}: ${(error as Error).message}`, { cause: error });
    }
  }
  expect(passed).toBeGreaterThan(0.8 * FILES);
  expect(opened).toBeGreaterThan(0.05 * FILES);
  expect(opened).toBeLessThan(0.5 * FILES);
  expect([...changesMade.keys()].toSorted()).toEqual(GGUF_CHANGES.toSorted());
  // Not one check in front of all others.
  expect(sentences.size).toBeGreaterThan(20);
});

test('the watch stops a reader that allocates or runs without end', async () => {
  const most = { bytesRead: 10, largestRead: 10, steps: 1000, bytesAllocated: 1_000_000 };
  const much = await watched(most, async () => new Float32Array(2 ** 30));
  expect(much.outcome).toMatchObject({ message: 'More than 1000000 bytes allocated.' });
  const long = await watched(most, async () => Array.from({ length: 2 ** 32 - 1 }));
  expect(long.outcome).toMatchObject({ message: 'More than 1000000 bytes allocated.' });
  const view = new DataView(new ArrayBuffer(8));
  const endless = await watched(most, async () => {
    for (;;) view.getUint8(0);
  });
  expect(endless.outcome).toMatchObject({ message: 'More than 1000 steps.' });
  expect(endless.outcome).not.toBeInstanceOf(LapisError);
});
