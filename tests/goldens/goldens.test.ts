import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadModel, type NodeModel } from '../../tools/load-model.ts';
import { openModel } from '../../tools/model-files.ts';
import { relativeL2 } from '../gpu/test-device.ts';
import { greedy, readGolden, TOLERANCE } from './golden.ts';

/* The engine's numbers against Hugging Face's, in every setting of the kernels that an adapter may choose. */

/**
 * What takes SwiftShader minutes is left for LAPIS_LONG=1 and for a GPU: the tuned kernels get one model and the beginning of its
 * prompt, and so do 700 tokens of the 1B's width.
 */
const SHORT = process.env.LAPIS_LONG !== '1';

/** Less than half of every prompt, and more than the one that is cut in several ways: a chunk of this size takes that all at once. */
const CHUNK = 96;

const MODELS = ['tiny', 'wide', 'grouped', 'small-Q8_0', 'wide-Q4_0'];

const KERNELS = [
  { kernels: 'naive', options: { naive: true } },
  { kernels: 'tuned, subgroups', options: { naive: false } },
  { kernels: 'tuned, no subgroups', options: { naive: false, withoutSubgroups: true } },
];

const CASES = MODELS.flatMap((name) =>
  KERNELS.filter(({ options }) => !SHORT || options.naive || name === 'tiny').map((setting) => {
    const short = SHORT && (!setting.options.naive || name === 'wide-Q4_0');
    return { name, ...setting, short, prompt: short ? 'the beginning of its prompt' : 'its whole prompt' };
  }),
);

describe.each(CASES)('$name, $kernels kernels, $prompt', ({ name, options, short }) => {
  const golden = readGolden(name);
  let loaded: NodeModel;

  beforeAll(async () => {
    const source = await openModel(golden.model);
    loaded = await loadModel(source, { ...options, contextTokens: 768, slotCount: 2, chunk: CHUNK });
  });
  afterAll(() => loaded?.close());

  test('logits at the golden positions and after the last token', async () => {
    const { model } = loaded;
    const end = short ? 36 : golden.tokens.length;
    const slot = model.openSlot()!;
    let done = 0;
    const logitsAt = async (position: number) => {
      if (position >= done) await model.prefill(slot, golden.tokens.slice(done, position + 1));
      done = position + 1;
      return model.logits(slot);
    };
    for (const { position, top } of golden.top16.filter((place) => place.position < end)) {
      const logits = await logitsAt(position);
      const actual = top.map(([id]) => logits[id]);
      const expected = top.map(([, logit]) => logit);
      expect(relativeL2(actual, expected), `position ${position}`).toBeLessThan(TOLERANCE);
    }
    if (!short) expect(relativeL2(await logitsAt(end - 1), golden.logits)).toBeLessThan(TOLERANCE);
    model.closeSlot(slot);
  });

  if (!short || golden.greedy.prompt.length < 64) {
    test('32 greedy tokens', async () => {
      const { prompt, tokens } = golden.greedy;
      expect(new Set(tokens).size).toBeGreaterThanOrEqual(12);
      expect(await greedy(loaded.model, prompt, tokens.length)).toEqual(tokens);
    });
  }

  test('the same bits for generated rows however the prompt is cut', async () => {
    const prompt = golden.tokens.slice(0, short ? 10 : 70);
    const runs: { tokens: number[]; logits: Float32Array }[] = [];
    for (const chunk of [CHUNK, 64, 7, 1]) {
      const slot = loaded.model.openSlot()!;
      const tokens = [(await loaded.model.prefill(slot, prompt, { chunk })).token];
      for (let i = 0; i < 4; i++) tokens.push((await loaded.model.step([slot]))[0].token);
      runs.push({ tokens, logits: await loaded.model.logits(slot) });
      loaded.model.closeSlot(slot);
    }
    for (const run of runs.slice(1)) expect(run).toEqual(runs[0]);
  });
});
