import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadModel, type NodeModel } from '../../tools/load-model.ts';
import { openModel } from '../../tools/model-files.ts';
import { hasSubgroupMatrix, relativeL2 } from '../gpu/test-device.ts';
import { greedy, readGolden, TOLERANCE } from './golden.ts';

/* The engine's numbers against Hugging Face's, in every setting of the kernels that an adapter may choose. */

/** Less than half of every prompt, and more than the one that is cut in several ways: a chunk of this size takes that all at once. */
const CHUNK = 96;

const KERNELS = {
  naive: { naive: true },
  'tuned, with subgroups,': { naive: false, subgroupMatrix: false },
  'tuned, without subgroups,': { naive: false, withoutSubgroups: true },
  'tuned, on subgroup matrices,': { naive: false, subgroupMatrix: true },
};
const ON_MATRICES = 'tuned, on subgroup matrices,';

type Check = 'logits' | 'greedy' | 'bits';

interface Case {
  name: string;
  kernels: keyof typeof KERNELS;
  /** Of the prompt whose logits are known; SwiftShader takes minutes for hundreds of tokens on tuned kernels. */
  prompt: 'all' | 'the beginning';
  checks: Check[];
}

/** All that there is, for a GPU. */
const ALL: Case[] = ['tiny', 'wide', 'grouped', 'small-Q8_0', 'wide-Q4_0'].flatMap((name) =>
  (Object.keys(KERNELS) as Case['kernels'][]).map((kernels) => ({
    name,
    kernels,
    prompt: 'all' as const,
    checks: ['logits', 'greedy', 'bits'] as Check[],
  })),
);

/** Each model on the naive kernels, each but one on tuned ones, and each tuned setting with rows that it generates. */
const SOME: Case[] = [
  { name: 'tiny', kernels: 'naive', prompt: 'all', checks: ['logits', 'greedy', 'bits'] },
  { name: 'wide', kernels: 'naive', prompt: 'all', checks: ['logits', 'greedy', 'bits'] },
  { name: 'grouped', kernels: 'naive', prompt: 'all', checks: ['logits', 'greedy', 'bits'] },
  { name: 'small-Q8_0', kernels: 'naive', prompt: 'all', checks: ['logits', 'greedy'] },
  { name: 'wide-Q4_0', kernels: 'naive', prompt: 'the beginning', checks: ['logits', 'greedy'] },
  { name: 'tiny', kernels: 'tuned, with subgroups,', prompt: 'the beginning', checks: ['logits', 'bits'] },
  { name: 'small-Q8_0', kernels: 'tuned, with subgroups,', prompt: 'the beginning', checks: ['logits', 'greedy'] },
  { name: 'grouped', kernels: 'tuned, without subgroups,', prompt: 'the beginning', checks: ['logits', 'bits'] },
  { name: 'wide-Q4_0', kernels: 'tuned, without subgroups,', prompt: 'the beginning', checks: ['logits'] },
  { name: 'small-Q8_0', kernels: ON_MATRICES, prompt: 'all', checks: ['logits', 'greedy', 'bits'] },
];

const hasMatrices = await hasSubgroupMatrix();
const CASES = (process.env.LAPIS_LONG === '1' ? ALL : SOME).filter(
  ({ kernels }) => hasMatrices || kernels !== ON_MATRICES,
);

describe.each(CASES)('$name, $kernels kernels, $prompt of its prompt', ({ name, kernels, prompt: extent, checks }) => {
  const golden = readGolden(name);
  const short = extent === 'the beginning';
  let loaded: NodeModel;

  beforeAll(async () => {
    const source = await openModel(golden.model);
    loaded = await loadModel(source, { ...KERNELS[kernels], contextTokens: 768, slotCount: 2, chunk: CHUNK });
  });
  afterAll(() => loaded?.close());

  if (kernels === ON_MATRICES) test('are used', () => expect(loaded.device.features.subgroupMatrix).toBe(true));

  if (checks.includes('logits'))
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

  if (checks.includes('greedy'))
    test('32 greedy tokens', async () => {
      const { prompt, tokens, gaps } = golden.greedy;
      // What agrees within the tolerance could not have gone another way.
      expect(new Set(tokens).size).toBeGreaterThanOrEqual(12);
      expect(gaps).toHaveLength(32);
      expect(Math.min(...gaps)).toBeGreaterThanOrEqual(20 * TOLERANCE);
      expect(await greedy(loaded.model, prompt, tokens.length)).toEqual(tokens);
    });

  if (checks.includes('bits'))
    test('the same bits for generated rows however the prompt is cut', async () => {
      const prompt = golden.tokens.slice(0, short ? 10 : 70);
      const runs: { tokens: number[]; logits: Float32Array }[] = [];
      for (const chunk of short ? [CHUNK, 7, 1] : [CHUNK, 64, 7, 1]) {
        const slot = loaded.model.openSlot()!;
        const tokens = [(await loaded.model.prefill(slot, prompt, { chunk })).token];
        for (let i = 0; i < 4; i++) tokens.push((await loaded.model.step([slot]))[0].token);
        runs.push({ tokens, logits: await loaded.model.logits(slot) });
        loaded.model.closeSlot(slot);
      }
      for (const run of runs.slice(1)) expect(run).toEqual(runs[0]);
    });
});
