import { describe, expect, test } from 'vitest';
import type { SamplingOptions } from '../../../protocol/generation.ts';
import { packSlotSampler, parseResult, RESULT_STEPS, RESULT_WORDS, samplerMode } from './options.ts';

describe('packSlotSampler', () => {
  test('is greedy without options', () => {
    const words = packSlotSampler({});
    const floats = new Float32Array(words.buffer);
    expect(words.length).toBe(14);
    expect([...words.slice(0, 2), ...words.slice(8, 12)]).toEqual([0, 0, 0, 0, 0, 0]);
    expect([...floats.slice(2, 8), floats[12], floats[13]]).toEqual([0, 1, 0, 1, 0, 0, 1, 0]);
  });

  test('puts every option where rows.wgsl has it', () => {
    const words = packSlotSampler(
      {
        seed: 0xffffffff,
        topK: 40,
        temperature: 0.5,
        topP: 0.25,
        minP: 0.125,
        repetitionPenalty: 2,
        presencePenalty: -1,
        frequencyPenalty: 1.5,
        penaltyWindow: 64,
        logProbabilities: 20,
      },
      { useMask: true, historyStart: 9 },
    );
    const floats = new Float32Array(words.buffer);
    expect([...words.slice(0, 2), ...words.slice(8, 12)]).toEqual([0xffffffff, 40, 64, 20, 1, 9]);
    expect([...floats.slice(2, 8)]).toEqual([0.5, 0.25, 0.125, 2, -1, 1.5]);
    expect([floats[12], floats[13]]).toEqual([0.5, Math.fround(Math.LOG2E * 2)]);
  });

  test.each<[SamplingOptions, string]>([
    [{ temperature: -0.1 }, 'temperature must be a number from 0 to 100, not -0.1.'],
    [{ temperature: Number.NaN }, 'temperature must be a number from 0 to 100, not NaN.'],
    [{ temperature: '1' as unknown as number }, 'temperature must be a number from 0 to 100, not 1.'],
    [{ topK: 1.5 }, 'topK must be a whole number from 0 to 4294967295, not 1.5.'],
    [{ topP: 1.01 }, 'topP must be a number from 0 to 1, not 1.01.'],
    [{ minP: -1 }, 'minP must be a number from 0 to 1, not -1.'],
    [{ repetitionPenalty: 0 }, 'repetitionPenalty must be a number from 0.01 to 100, not 0.'],
    [{ presencePenalty: 101 }, 'presencePenalty must be a number from -100 to 100, not 101.'],
    [
      { frequencyPenalty: Number.POSITIVE_INFINITY },
      'frequencyPenalty must be a number from -100 to 100, not Infinity.',
    ],
    [{ penaltyWindow: -1 }, 'penaltyWindow must be a whole number from 0 to 4294967295, not -1.'],
    [{ seed: 2 ** 32 }, 'seed must be a whole number from 0 to 4294967295, not 4294967296.'],
    [{ logProbabilities: 21 }, 'logProbabilities must be a whole number from 0 to 20, not 21.'],
  ])('refuses %o', (sampling, message) => {
    expect(() => packSlotSampler(sampling)).toThrow(expect.objectContaining({ code: 'bad-request', message }));
  });
});

test('samplerMode is what the rows need between them', () => {
  const none = { stochastic: false, penalties: false, mask: false, logProbabilities: false };
  expect(samplerMode([{ sampling: { topK: 5, seed: 3 } }])).toEqual({ ...none, rows: 1 });
  expect(
    samplerMode([
      { sampling: { temperature: 1 } },
      { sampling: { frequencyPenalty: 1 }, useMask: true },
      { sampling: { logProbabilities: 1 } },
    ]),
  ).toEqual({ rows: 3, stochastic: true, penalties: true, mask: true, logProbabilities: true });
});

test('parseResult reads the row and position that it is asked for', () => {
  const words = new Uint32Array(2 * RESULT_STEPS * RESULT_WORDS);
  const floats = new Float32Array(words.buffer);
  words.set([3, 17], 0);
  words.set([3, 18], RESULT_WORDS);
  const last = (2 * RESULT_STEPS - 1) * RESULT_WORDS;
  words.set([5, 12, 0, 2, 9, 12], last);
  floats[last + 2] = -1.5;
  floats.set([-0.5, -1.5], last + 24);
  expect(parseResult(words, 0, 5 * RESULT_STEPS)).toEqual({ slot: 3, token: 17 });
  expect(parseResult(words, 0, 5 * RESULT_STEPS + 1)).toEqual({ slot: 3, token: 18 });
  expect(parseResult(words, 1, RESULT_STEPS - 1)).toEqual({
    slot: 5,
    token: 12,
    logProbabilities: {
      token: 12,
      logProbability: -1.5,
      top: [
        { token: 9, logProbability: -0.5 },
        { token: 12, logProbability: -1.5 },
      ],
    },
  });
});
