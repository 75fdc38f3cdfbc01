import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { MAX_STEPS_TOGETHER } from '../gpu/step-pace.ts';
import type { GenerateEvent } from '../protocol/generation.ts';
import type { FakeModelOptions } from './testing/fake-model.ts';
import { babble, COLON, completion, EOS, end, start, tokenizer } from './testing/scripted-engine.ts';

/*
 * Answers cut at each place of a submit that several steps share. The whole submit and those behind it come back all the same: of
 * them nothing may be said, and nothing kept in the slot, beyond the cut.
 */

const PROMPT = 'the beginning of a long answer';
const MORE = ' and what comes next';
const STOP_STRING_TOKENS = 3;
/** Late enough for the pace to be known. Twice as many in a row as share a submit: each place, and the edges on both sides. */
const CUTS = Array.from({ length: 2 * MAX_STEPS_TOGETHER }, (_, i) => 33 + i);

/** Goes on for ever, each token depending on all before it. */
const endless: FakeModelOptions['next'] = (tokens, sampling) => {
  const token = babble(tokens, sampling);
  return token === EOS ? COLON : token;
};

const ids = (text: string) => [2, ...tokenizer.encode(text)];

/** What the model says after a text, worked out without an engine. */
function saidAfter(text: string, count: number): number[] {
  const prompt = ids(text);
  const said: number[] = [];
  while (said.length < count) said.push(endless([...prompt, ...said], {}));
  return said;
}

/** The submit that the `cut`-th token of an answer came with; the first token is the prefill's. */
function submitOf(cut: number, submits: number[]): { before: number; steps: number } {
  let before = 1;
  for (const steps of submits) {
    if (cut <= before + steps) return { before, steps };
    before += steps;
  }
  throw new Error(`No submit has token ${cut}.`);
}

/** Passes events on; calls back when so many tokens were read. */
async function* reading(events: AsyncIterable<GenerateEvent>, count: number, then: () => void) {
  let read = 0;
  for await (const event of events) {
    yield event;
    if (event.type !== 'text') continue;
    read += event.tokens.length;
    if (read === count) then();
  }
}

describe.each(['stop string', 'stop token', 'cancel when it is read', 'cancel when it is sampled'])('a %s', (kind) => {
  // The pace is measured: only a clock of our own gives the same submits on every machine.
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test.each(CUTS)('at token %i', async (cut) => {
    const whole = saidAfter(PROMPT, cut + 2 * MAX_STEPS_TOGETHER);
    const controller = new AbortController();
    const next: FakeModelOptions['next'] = (tokens, sampling) => {
      const here = tokens.length === ids(PROMPT).length + cut - 1;
      if (here && kind === 'cancel when it is sampled') controller.abort();
      return here && kind === 'stop token' ? EOS : endless(tokens, sampling);
    };
    const { engine, model } = start({ next, slotCount: 1, stepMs: 1 });
    const stop = kind === 'stop string' ? [tokenizer.decode(whole.slice(cut - STOP_STRING_TOKENS, cut))] : [];
    const events = engine.generate(completion(PROMPT, { stop }), { signal: controller.signal });
    const answer = end(kind === 'cancel when it is read' ? reading(events, cut, () => controller.abort()) : events);
    await vi.runAllTimersAsync();

    const { before, steps } = submitOf(cut, model.submits);
    expect(steps).toBe(MAX_STEPS_TOGETHER);
    // A submit is read as one: a reader who cancels has all of it, and of one that is under way nothing was read.
    const expected = {
      'stop string': { tokens: whole.slice(0, cut), said: cut - STOP_STRING_TOKENS, finishReason: 'stop' },
      'stop token': { tokens: [...whole.slice(0, cut - 1), EOS], said: cut - 1, finishReason: 'stop' },
      'cancel when it is read': { tokens: whole.slice(0, before + steps), said: before + steps, finishReason: 'abort' },
      'cancel when it is sampled': { tokens: whole.slice(0, before), said: before, finishReason: 'abort' },
    }[kind]!;
    const { said, ...rest } = expected;
    const text = tokenizer.decode(whole.slice(0, said));
    expect(await answer).toMatchObject({ ...rest, text });
    // More was asked of the model than the answer has, and is forgotten.
    expect(model.stepped.length).toBeGreaterThan(rest.tokens.length);
    expect(model.position(0)).toBe(ids(PROMPT).length + rest.tokens.length);

    // The next turn goes on in what the slot holds, and prefills only what is new.
    const goesOn = PROMPT + text + MORE;
    const more = end(engine.generate(completion(goesOn, { maxTokens: 5 })));
    await vi.runAllTimersAsync();
    expect((await more).tokens).toEqual(saidAfter(goesOn, 5));
    expect(model.prefills[1]).toEqual(tokenizer.encode(MORE));
  });
});
