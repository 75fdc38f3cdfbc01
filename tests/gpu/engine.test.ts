import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TextEngine } from '../../src/engine/contract.ts';
import { createEngine } from '../../src/engine/engine.ts';
import { createTokenizer } from '../../src/model/tokenizer.ts';
import type { GenerateEvent } from '../../src/protocol/generation.ts';
import { loadModel, type NodeModel } from '../../tools/load-model.ts';
import { openModel } from '../../tools/model-files.ts';

/* The engine on a real device: an answer's tokens are the same alone, beside others, and in a slot that already holds the prompt. */

let loaded: NodeModel;
let engine: TextEngine;

beforeAll(async () => {
  const source = await openModel(new URL('../goldens/reference/small-Q8_0.gguf', import.meta.url).pathname);
  loaded = await loadModel(source, { contextTokens: 128, slotCount: 3 });
  engine = createEngine({ model: loaded.model, tokenizer: createTokenizer(source.tokenizer) });
}, 300_000);
afterAll(() => loaded?.close());

const PROMPTS = ['The color of the sky is', 'One, two, three, four, five, six, seven'];

/** Random draws among all tokens of a model with random weights: the slightest difference would show. */
function generate(i: number, signal?: AbortSignal): AsyncIterable<GenerateEvent> {
  const sampling = { temperature: 1, seed: 7 + i };
  return engine.generate({ prompt: { kind: 'completion', text: PROMPTS[i] }, sampling, maxTokens: 8 }, { signal });
}

async function tokens(events: AsyncIterable<GenerateEvent>): Promise<number[]> {
  for await (const event of events) {
    if (event.type === 'error') throw new Error(event.error.message);
    if (event.type === 'end') return event.tokens;
  }
  throw new Error('There was no end.');
}

test('alone, together, with a reused prefix and after an abort', async () => {
  const alone: number[][] = [];
  for (const i of PROMPTS.keys()) alone.push(await tokens(generate(i)));
  for (const answer of alone) expect(new Set(answer).size).toBeGreaterThan(4);

  // Both prompts stand in slots already; the third answer shares its prompt with one that runs.
  const together = [0, 1, 0].map((i) => tokens(generate(i)));
  expect(await Promise.all(together)).toEqual([alone[0], alone[1], alone[0]]);

  const controller = new AbortController();
  for await (const event of generate(0, controller.signal)) if (event.type === 'text') controller.abort();
  expect(await tokens(generate(0))).toEqual(alone[0]);
}, 300_000);
