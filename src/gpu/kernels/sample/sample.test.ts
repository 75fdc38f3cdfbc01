import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestDevice, randomSource } from '../../../../tests/gpu/test-device.ts';
import type { SamplingOptions } from '../../../protocol/generation.ts';
import { SamplerHarness } from './harness.ts';
import { logProbabilitiesReference, massOf, type ReferenceRow, sampleReference } from './reference.ts';

const CONTEXT = 300;
let gpu: Awaited<ReturnType<typeof openTestDevice>>;
const harnesses = new Map<number, Promise<SamplerHarness>>();

beforeAll(async () => {
  gpu = await openTestDevice();
});

afterAll(() => {
  gpu?.close();
});

function harness(vocabularySize: number): Promise<SamplerHarness> {
  let made = harnesses.get(vocabularySize);
  if (!made) {
    made = SamplerHarness.make(gpu.device, { vocabularySize, contextTokens: CONTEXT, maxRows: 8 });
    harnesses.set(vocabularySize, made);
  }
  return made;
}

/** Samples rows on the GPU, checks what is written beside the token, and gives the tokens. */
async function sample(rows: ReferenceRow[], headRow = 0): Promise<number[]> {
  const h = await harness(rows[0].logits.length);
  h.write(rows, headRow);
  const { sampled, slots, logits } = await h.sample(rows);
  rows.forEach((row, i) => {
    const slot = rows.length - 1 - i;
    expect(sampled[i].slot).toBe(slot);
    expect([slots[slot * 16], slots[slot * 16 + 1]]).toEqual([sampled[i].token, row.position + 1]);
    const size = row.logits.length;
    const written = new Uint32Array(row.logits.buffer, row.logits.byteOffset, size);
    const kept = new Uint32Array(logits.buffer, i * size * 4, size);
    expect(Buffer.compare(Buffer.from(kept.slice().buffer), Buffer.from(written.slice().buffer))).toBe(0);
  });
  return sampled.map(({ token }) => token);
}

async function expectParity(rows: ReferenceRow[], headRow = 0): Promise<number[]> {
  const tokens = await sample(rows, headRow);
  expect(tokens).toEqual(rows.map(sampleReference));
  return tokens;
}

/** Logits shaped like a language model's: a bulk, and a few tokens that stand out. */
function languageLogits(size: number, random: ReturnType<typeof randomSource>): Float32Array {
  const logits = random.normals(size, 2);
  for (let n = 0; n < 30; n++) logits[Math.floor(random.uniform() * size)] = 8 + 8 * random.uniform();
  return logits;
}

function someHistory(size: number, random: ReturnType<typeof randomSource>): number[] {
  const few = Array.from({ length: 20 }, () => Math.floor(random.uniform() * size));
  return Array.from({ length: CONTEXT }, () => few[Math.floor(random.uniform() ** 2 * few.length)]);
}

function randomMask(size: number, share: number, random: ReturnType<typeof randomSource>): Uint32Array {
  const mask = new Uint32Array(Math.ceil(size / 32));
  for (let id = 0; id < size; id++) if (random.uniform() < share) mask[id >>> 5] |= 1 << (id & 31);
  return mask;
}

const OPTIONS: Record<string, SamplingOptions> = {
  greedy: {},
  temperature: { temperature: 1 },
  'low temperature': { temperature: 0.05 },
  'least temperature': { temperature: 1e-9 },
  'high temperature': { temperature: 20 },
  'top-k': { temperature: 1.5, topK: 40 },
  'top-k of 1': { temperature: 1, topK: 1 },
  'top-k of nearly all': { temperature: 2, topK: 999 },
  'top-k of more than all': { temperature: 2, topK: 0xffffffff },
  'top-k at a low temperature': { temperature: 0.02, topK: 64 },
  'top-p': { temperature: 2, topP: 0.9 },
  'top-p of nothing': { temperature: 1, topP: 0 },
  'top-p of nearly all': { temperature: 4, topP: 0.9999999 },
  'top-p of a flat distribution': { temperature: 50, topP: 0.5 },
  'min-p': { temperature: 3, minP: 0.1 },
  'min-p of 1': { temperature: 3, minP: 1 },
  'top-k and top-p': { temperature: 3, topK: 50, topP: 0.8 },
  'all filters': { temperature: 5, topK: 200, topP: 0.95, minP: 0.02 },
};

const PENALTIES: Record<string, SamplingOptions> = {
  repetition: { repetitionPenalty: 1.7 },
  'repetition below 1': { repetitionPenalty: 0.5 },
  presence: { presencePenalty: 3 },
  frequency: { frequencyPenalty: 0.7 },
  'a window': { frequencyPenalty: 1.1, penaltyWindow: 7 },
  all: { repetitionPenalty: 1.3, presencePenalty: -0.5, frequencyPenalty: 0.3, penaltyWindow: 100 },
};

describe.each([2, 1000, 4096, 5000])('a vocabulary of %i', (size) => {
  // Rows of one batch have different options: each must come out as it would alone.
  test.each([0, 8, 16])('options from the %ith on', async (from) => {
    const random = randomSource(size);
    for (const makeLogits of [languageLogits, (count: number) => random.normals(count, 3)]) {
      const rows = Object.values(OPTIONS)
        .slice(from, from + 8)
        .map((sampling, i) => ({
          logits: makeLogits(size, random),
          sampling: { ...sampling, seed: 77 + i },
          position: 11 * i,
        }));
      await expectParity(rows);
    }
  });

  test('penalties, twice, since the counts must be gone the second time', async () => {
    const random = randomSource(size + 1);
    const samplings = Object.values(PENALTIES);
    const draw = { temperature: 1.2, topP: 0.9 };
    for (let round = 0; round < 2; round++) {
      const rows = Array.from({ length: 8 }, (_, i) => ({
        logits: languageLogits(size, random),
        sampling: { ...samplings[i % samplings.length], ...((i + round) % 2 ? draw : {}) },
        position: [CONTEXT - 1, 0, 100, 250, 99, 5, 6, 7][i],
        history: someHistory(size, random),
        historyStart: i === 3 ? 200 : 0,
      }));
      // The tokens of the history are likeliest and near each other, so that penalties decide.
      for (const row of rows) for (const id of new Set(row.history)) row.logits[id] = 20 + random.normal();
      await expectParity(rows);
      await expectParity(rows.map((row, i) => ({ ...row, sampling: samplings[i % samplings.length] })));
    }
  });

  test('masks', async () => {
    const random = randomSource(size + 2);
    const one = new Uint32Array(Math.ceil(size / 32));
    one[(size - 1) >>> 5] = 1 << ((size - 1) & 31);
    const none = new Uint32Array(one.length);
    const masks = [one, none, one, none, one, none, randomMask(size, 0.5, random), randomMask(size, 0.5, random)];
    const samplings = [
      {},
      {},
      { temperature: 1 },
      { temperature: 1 },
      { temperature: 1, topK: 5 },
      { temperature: 1, topP: 0.5 },
      {},
    ];
    const rows = masks.map((mask, i) => ({
      logits: languageLogits(size, random),
      sampling: samplings[i] ?? { temperature: 2, topP: 0.9 },
      position: 3,
      mask,
    }));
    const tokens = await expectParity(rows);
    expect(tokens.slice(0, 6)).toEqual([size - 1, 0, size - 1, 0, size - 1, 0]);
    // Without drawn rows the other path is taken.
    await expectParity(rows.filter(({ sampling }) => !('temperature' in sampling)));
  });
});

test('the penalty window ends with the row itself and begins where it says', async () => {
  // Tokens 1, 2, 3, … at positions 0, 1, 2, …; the row stands at position 9. The likeliest token that is not penalized wins.
  const history = Array.from({ length: 20 }, (_, position) => position + 1);
  const logits = Float32Array.from({ length: 100 }, (_, id) => (id >= 1 && id <= 20 ? id / 10 : -50));
  const row = (sampling: SamplingOptions, historyStart = 0) => ({
    logits,
    sampling,
    position: 9,
    history,
    historyStart,
  });
  const without11On = logits.slice().fill(-50, 11);
  const rows = [
    row({ presencePenalty: 5 }), // 11 to 20 come later
    { ...row({ presencePenalty: 5, penaltyWindow: 3 }), logits: without11On },
    { ...row({ frequencyPenalty: 5, penaltyWindow: 9 }), logits: without11On },
    { ...row({ repetitionPenalty: 100 }, 4), logits: without11On },
    { ...row({ repetitionPenalty: 100, penaltyWindow: 2 }, 4), logits: without11On },
    { ...row({ presencePenalty: -5, penaltyWindow: 1 }), logits: logits.map((logit) => -logit) },
  ];
  expect(await expectParity(rows)).toEqual([20, 7, 1, 4, 8, 0]);
});

test('every option together, in a batch with every other, gives what each gives alone', async () => {
  const size = 3000;
  const random = randomSource(5);
  for (let round = 0; round < 3; round++) {
    const rows = Array.from({ length: 8 }, (_, i): ReferenceRow => {
      const chance = (p: number) => random.uniform() < p;
      return {
        logits: languageLogits(size, random),
        sampling: {
          temperature: chance(0.7) ? 0.2 + 3 * random.uniform() : 0,
          topK: chance(0.5) ? Math.floor(300 * random.uniform()) : 0,
          topP: chance(0.5) ? random.uniform() : 1,
          minP: chance(0.5) ? 0.2 * random.uniform() : 0,
          repetitionPenalty: chance(0.4) ? 0.7 + random.uniform() : 1,
          presencePenalty: chance(0.4) ? random.normal() : 0,
          frequencyPenalty: chance(0.4) ? random.normal() : 0,
          penaltyWindow: chance(0.5) ? Math.floor(50 * random.uniform()) : 0,
          seed: Math.floor(random.uniform() * 2 ** 32),
        },
        position: 30 * i + round,
        history: someHistory(size, random),
        mask: chance(0.4) ? randomMask(size, 0.3, random) : undefined,
      };
    });
    const together = await expectParity(rows, round);
    const alone = [];
    for (const row of rows) alone.push(...(await sample([row])));
    expect(alone).toEqual(together);
  }
});

describe('262,144 tokens', () => {
  test('greedy and drawn rows', async () => {
    const size = 262144;
    const random = randomSource(9);
    const bulk = languageLogits(size, random);
    const samplings: SamplingOptions[] = [
      {},
      { temperature: 1 },
      { temperature: 1, topK: 64, topP: 0.95 },
      { temperature: 0.05, topK: 100 },
      { temperature: 8, topP: 0.7, minP: 0.001 },
    ];
    const rows = samplings.map((sampling, i) => ({ logits: bulk, sampling: { ...sampling, seed: i }, position: i }));
    await expectParity(rows);
    // The likeliest token last, and equal to others: the lowest id wins.
    const last = bulk.slice();
    last[size - 1] = 40;
    const ties = last.slice();
    ties[4095] = 40;
    ties[2048] = 40;
    expect(await expectParity([last, ties].map((logits) => ({ logits, sampling: {}, position: 0 })))).toEqual([
      size - 1,
      2048,
    ]);
  });
});

test('ties of the last kept token stay, and each is drawn', async () => {
  const logits = new Float32Array(1000).fill(-15);
  for (const id of [3, 400, 999]) logits[id] = 2;
  logits[500] = 2.5;
  for (const sampling of [{ topK: 2 }, { topP: 0.4 }, { topK: 3, topP: 0.4 }]) {
    const drawn = new Set<number>();
    for (let position = 0; position < 24; position += 8) {
      const rows = Array.from({ length: 8 }, (_, i) => ({
        logits,
        sampling: { temperature: 1, ...sampling },
        position: position + i,
      }));
      for (const token of await expectParity(rows)) drawn.add(token);
    }
    expect([...drawn].sort((a, b) => a - b)).toEqual([3, 400, 500, 999]);
  }
});

test('infinite, huge, tiny and equal logits', async () => {
  const size = 1000;
  const filled = (value: number) => new Float32Array(size).fill(value);
  const with1 = (base: number, id: number, value: number) => {
    const logits = filled(base);
    logits[id] = value;
    return logits;
  };
  const all = [
    filled(0),
    filled(Number.NEGATIVE_INFINITY),
    with1(Number.NEGATIVE_INFINITY, 700, 0),
    with1(0, 701, Number.POSITIVE_INFINITY),
    with1(-3e38, 702, 3e38),
    with1(1e-40, 703, 2e-38),
    with1(-0, 704, 0),
    with1(-5, 705, -4.999999),
  ];
  for (const sampling of [{}, { temperature: 1 }, { temperature: 1, topK: 3 }, { temperature: 0.7, topP: 0.5 }]) {
    // SwiftShader keeps denormals, a GPU may take them for 0: row 5 differs by a normal number.
    await expectParity(all.map((logits) => ({ logits, sampling, position: 9 })));
  }
  expect(await sample(all.map((logits) => ({ logits, sampling: {}, position: 9 })))).toEqual([
    0, 0, 700, 701, 702, 703, 0, 705,
  ]);
});

describe('log-probabilities', () => {
  test.each([2, 15, 5000, 262144])('a vocabulary of %i', async (size) => {
    const random = randomSource(size);
    const wanted = size > 100_000 ? [20] : [20, 1, 0, 5];
    const rows = wanted.map((logProbabilities, i) => ({
      logits: languageLogits(size, random),
      sampling: { logProbabilities, ...(i > 0 ? { temperature: 2, topK: 30, repetitionPenalty: 1.5 } : {}) },
      position: 2,
      history: [1, 0, 1],
      mask: i === 1 ? randomMask(size, 0.5, random) : undefined,
    }));
    rows[0].logits[1] = rows[0].logits[0]; // a tie: the lower id first
    const h = await harness(size);
    h.write(rows);
    const { sampled } = await h.sample(rows);
    rows.forEach((row, i) => {
      expect(sampled[i].token).toBe(sampleReference(row));
      const reported = sampled[i].logProbabilities;
      if (wanted[i] === 0) {
        expect(reported).toBeUndefined();
        return;
      }
      const expected = logProbabilitiesReference(row.logits);
      const order = Array.from(expected.keys()).sort((a, b) => row.logits[b] - row.logits[a] || a - b);
      expect(reported?.top.map(({ token }) => token)).toEqual(order.slice(0, wanted[i]));
      for (const { token, logProbability } of [reported!, ...reported!.top]) {
        expect(Math.abs(logProbability - expected[token])).toBeLessThan(2e-5);
      }
    });
  });
});

describe('what is drawn follows the distribution', () => {
  // Chi-square at 99.9 %, by degrees of freedom; positions and seeds are fixed, so that these never fail by chance.
  const LIMITS: Record<number, number> = { 2: 13.8, 4: 18.5, 11: 31.3 };
  const logits = Float32Array.from({ length: 12 }, (_, id) => Math.sin(3 * id) * 2);

  test.each([
    ['temperature 1', { temperature: 1 }, 12],
    ['temperature 2.5', { temperature: 2.5 }, 12],
    ['top-k 5', { temperature: 1, topK: 5 }, 5],
    ['min-p', { temperature: 1, minP: 0.6 }, 3],
  ] as const)('%s', async (_, sampling, survivors) => {
    const draws = 20_000;
    const rows = Array.from({ length: draws }, (_, i) => ({
      logits,
      sampling: { ...sampling, seed: i & 1 ? 1234567 : 42 },
      position: i >>> 1,
    }));
    const tokens = rows.map(sampleReference);
    // The GPU draws the same tokens: some of them stand for all.
    for (let at = 0; at < 16; at += 8) {
      expect(await sample(rows.slice(at, at + 8))).toEqual(tokens.slice(at, at + 8));
    }
    const counts = new Array<number>(12).fill(0);
    for (const token of tokens) counts[token]++;
    const kept = Array.from(logits.keys())
      .sort((a, b) => logits[b] - logits[a])
      .slice(0, survivors);
    const weights = kept.map((id) => Math.exp(logits[id] / sampling.temperature));
    const total = weights.reduce((a, b) => a + b);
    expect(kept.reduce((sum, id) => sum + counts[id], 0)).toBe(draws);
    const chiSquare = kept.reduce((sum, id, n) => {
      const expected = (draws * weights[n]) / total;
      return sum + (counts[id] - expected) ** 2 / expected;
    }, 0);
    expect(chiSquare).toBeLessThan(LIMITS[survivors - 1]);
  });
});

test('masses are those of exp', () => {
  for (let t = 0; t < 40; t += 0.0137) {
    const distance = Math.floor(t * 2 ** 24);
    expect(Math.abs(massOf(distance) - 2 ** (31 - distance / 2 ** 24))).toBeLessThan(20);
  }
});
