import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TextEngine } from '../../src/engine/contract.ts';
import { createEngine } from '../../src/engine/engine.ts';
import { createTokenizer } from '../../src/model/tokenizer.ts';
import { loadModel } from '../load-model.ts';
import { openModel } from '../model-files.ts';
import type { Evaluation } from './evaluation.ts';
import { AT_ONCE, CONTEXT_TOKENS, evaluate, readEvaluation } from './evaluation.ts';

/* That the packaged model knows what it was taught, as it is shipped and computed. */

const MODELS = fileURLToPath(new URL('../../extension/models', import.meta.url));
const LONG = process.env.LAPIS_LONG === '1';

test('the packaged models take at most 12 MB', async () => {
  const entries = await readdir(MODELS, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size));
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(12e6);
});

describe('the demo model', () => {
  let engine: TextEngine;
  let questions: Evaluation;
  let close: () => void;

  beforeAll(async () => {
    questions = await readEvaluation();
    const source = await openModel(join(MODELS, 'demo'));
    const tokenizer = createTokenizer(source.tokenizer);
    const loaded = await loadModel(source, { slotCount: AT_ONCE, contextTokens: CONTEXT_TOKENS });
    close = loaded.close;
    engine = createEngine({ model: loaded.model, tokenizer, loadMs: loaded.loadMs });
  });
  afterAll(() => close?.());

  test('knows the color of the sky', async () => {
    const text = 'The color of the sky is';
    const { completions } = await evaluate(engine, { completions: [{ text, continues: ' blue' }] });
    expect(completions.wrong).toEqual([]);
  });

  test.skipIf(LONG)('answers six facts in wordings that it was not taught in', async () => {
    const step = Math.floor(questions.facts.length / 6);
    const facts = questions.facts.filter((_, index) => index % step === 0).slice(0, 6);
    const result = await evaluate(engine, { facts });
    expect(result.facts).toEqual({ asked: 6, right: 6, wrong: [] });
  });

  test.runIf(LONG)(
    'answers nine in ten of its 200 facts exactly, all small talk and all texts to complete',
    async () => {
      const { facts, chat, completions } = await evaluate(engine, questions);
      expect(facts.asked).toBe(200);
      expect(facts.right).toBeGreaterThanOrEqual(180);
      expect([...chat.wrong, ...completions.wrong]).toEqual([]);
    },
  );
});
