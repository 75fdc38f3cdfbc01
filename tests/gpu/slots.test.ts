import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Slot } from '../../src/gpu/contract.ts';
import type { Gemma3 } from '../../src/gpu/gemma3.ts';
import { MAX_STEPS_TOGETHER } from '../../src/gpu/step-pace.ts';
import { loadModel, type NodeModel } from '../../tools/load-model.ts';
import { readGolden } from '../goldens/golden.ts';
import { openShallow } from './shallow-model.ts';

/* Slots of a loaded model: sequences that are cloned, rewound, closed and generated together, each as if it were alone. */

const TIMEOUT = 240_000;
const CONTEXT = 256;
const SLOTS = 8;
const CHUNK = 32;
/** Window 32 and slack 32 make rings of two blocks, which hold the window of any position up to 96 back. */
const RING_SLACK = 96;

const golden = readGolden('tiny');
const PROMPT = golden.tokens.slice(0, 80);
const OTHER = golden.greedy.prompt.slice(100, 140);

let loaded: NodeModel;
let model: Gemma3;

beforeAll(async () => {
  loaded = await loadModel(await openShallow(), { contextTokens: CONTEXT, slotCount: SLOTS, chunk: CHUNK });
  model = loaded.model;
}, TIMEOUT);
afterAll(() => loaded?.close());

/** Runs `body` with slots of its own, and closes every slot that is open afterwards. */
async function withSlots(count: number, body: (...slots: Slot[]) => Promise<void>): Promise<void> {
  try {
    await body(...Array.from({ length: count }, () => model.openSlot()!));
  } finally {
    for (let slot = 0; slot < SLOTS; slot++) if (isOpen(slot)) model.closeSlot(slot);
  }
}

function isOpen(slot: Slot): boolean {
  try {
    return model.position(slot) >= 0;
  } catch {
    return false;
  }
}

async function stepAlone(slot: Slot): Promise<number> {
  return (await model.step([slot]))[0].token;
}

/** Tokens of `count` steps, and the logits of the last. */
async function continuation(slot: Slot, count: number) {
  const tokens: number[] = [];
  while (tokens.length < count) tokens.push(await stepAlone(slot));
  return { tokens, logits: await model.logits(slot) };
}

/** The token and logits after a prompt in a slot of its own. */
async function freshly(tokens: readonly number[], steps = 2) {
  const slot = model.openSlot()!;
  const first = (await model.prefill(slot, tokens)).token;
  const logits = await model.logits(slot);
  const rest = await continuation(slot, steps);
  model.closeSlot(slot);
  return { first, logits, rest };
}

/** The same for a slot that already holds something. */
async function goingOn(slot: Slot, tokens: readonly number[], steps = 2) {
  const first = (await model.prefill(slot, tokens)).token;
  const logits = await model.logits(slot);
  return { first, logits, rest: await continuation(slot, steps) };
}

function largest(logits: ArrayLike<number>, allowed: (id: number) => boolean = () => true): number {
  let best = -1;
  for (let id = 0; id < logits.length; id++) if (allowed(id) && !(logits[id] <= logits[best])) best = id;
  return best;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error) => `${error.code}: ${error.message}`,
  );
}

// First, while the plan for two rows has yet to be compiled.
test(
  'steps run in the order in which they were asked for, also when the first must be compiled',
  () =>
    withSlots(3, async (a, b, alone) => {
      for (const slot of [a, b, alone]) await model.prefill(slot, PROMPT);
      const expected = await continuation(alone, 3);

      const steps = [model.step([a, b]), model.step([a]), model.step([b, a])];
      expect([model.position(a), model.position(b)]).toEqual([PROMPT.length + 3, PROMPT.length + 2]);
      const results = await Promise.all(steps);
      expect(results.map((rows) => rows.map(({ slot }) => slot))).toEqual([[a, b], [a], [b, a]]);
      expect([results[0][0], results[1][0], results[2][1]].map(({ token }) => token)).toEqual(expected.tokens);
      expect([results[0][1], results[2][0]].map(({ token }) => token)).toEqual(expected.tokens.slice(0, 2));
      expect(await model.logits(a)).toEqual(expected.logits);
    }),
  TIMEOUT,
);

describe('a clone', () => {
  test('goes on like its original, step by step', () =>
    withSlots(1, async (original) => {
      await model.prefill(original, PROMPT);
      await continuation(original, 3);
      const clone = model.cloneSlot(original)!;
      expect(model.position(clone)).toBe(PROMPT.length + 3);
      // Alternately, so that each writes into the block that was shared while the other goes on reading it.
      const tokens: [number, number][] = [];
      for (let i = 0; i < 6; i++) tokens.push([await stepAlone(original), await stepAlone(clone)]);
      expect(tokens.map((pair) => pair[1])).toEqual(tokens.map((pair) => pair[0]));
      const ofClone = await model.logits(clone);
      await stepAlone(original);
      await stepAlone(clone);
      expect(ofClone).not.toEqual(await model.logits(clone));
      expect(model.position(clone)).toBe(model.position(original));
    }));

  test('and its original go separate ways', () =>
    withSlots(1, async (original) => {
      // Not the other tests' prompt, which still stands in blocks that were freed.
      const prompt = golden.tokens.slice(200, 280);
      await model.prefill(original, prompt);
      const clone = model.cloneSlot(original)!;
      const [a, b] = [OTHER.slice(0, 20), OTHER.slice(20, 37)];
      await model.prefill(clone, b);
      await model.prefill(original, a);
      // Only after both have written where they shared a block.
      const ofClone = await continuation(clone, 2);
      const ofOriginal = await continuation(original, 2);
      expect(ofOriginal).toEqual((await freshly([...prompt, ...a])).rest);
      expect(ofClone).toEqual((await freshly([...prompt, ...b])).rest);
      expect(ofClone.logits).not.toEqual(ofOriginal.logits);
    }));

  test('outlives its original', () =>
    withSlots(1, async (original) => {
      await model.prefill(original, PROMPT);
      const clone = model.cloneSlot(original)!;
      model.closeSlot(original);
      const taken = model.openSlot()!;
      await model.prefill(taken, golden.greedy.prompt.slice(0, 100));
      expect(await goingOn(clone, OTHER)).toEqual(await freshly([...PROMPT, ...OTHER]));
    }));

  test('has the steps that are on their way, and is refused while one is yet to be submitted', () =>
    withSlots(1, async (original) => {
      await model.prefill(original, PROMPT);
      const step = model.step([original]);
      expect(() => model.cloneSlot(original)).toThrow('while a step waited for its compilation');
      await new Promise((resolve) => setTimeout(resolve));
      const clone = model.cloneSlot(original)!;
      await step;
      expect(model.position(clone)).toBe(PROMPT.length + 1);
      expect(await continuation(clone, 3)).toEqual(await continuation(original, 3));
    }));

  test('is refused when every slot is taken', () =>
    withSlots(SLOTS, async (first) => {
      expect(model.cloneSlot(first)).toBeUndefined();
      expect(model.openSlot()).toBeUndefined();
    }));
});

describe('rewinding', () => {
  test.each([1, 40, RING_SLACK])('%i positions and going on is a fresh prompt, bit for bit', (back) =>
    withSlots(1, async (slot) => {
      const tokens = golden.tokens.slice(0, 140);
      await model.prefill(slot, tokens);
      const kept = tokens.length - back;
      expect(model.rewind(slot, kept)).toBe(true);
      expect(model.position(slot)).toBe(kept);
      expect(await goingOn(slot, OTHER)).toEqual(await freshly([...tokens.slice(0, kept), ...OTHER]));
    }),
  );

  test('further than the rings reach is refused, and changes nothing', () =>
    withSlots(1, async (slot) => {
      const tokens = golden.tokens.slice(0, 140);
      await model.prefill(slot, tokens);
      expect(model.rewind(slot, 140 - RING_SLACK - 1)).toBe(false);
      expect(model.position(slot)).toBe(140);
      // What counts is what was written, not where the slot stands.
      expect(model.rewind(slot, 100)).toBe(true);
      expect(model.rewind(slot, 100 - RING_SLACK)).toBe(false);
      expect(await goingOn(slot, OTHER)).toEqual(await freshly([...tokens.slice(0, 100), ...OTHER]));
    }));

  test('to the beginning is always possible', () =>
    withSlots(1, async (slot) => {
      await model.prefill(slot, golden.tokens.slice(0, 200));
      expect(model.rewind(slot, 0)).toBe(true);
      expect(await goingOn(slot, OTHER)).toEqual(await freshly(OTHER));
    }));

  test('a clone leaves the original as it was', () =>
    withSlots(1, async (original) => {
      await model.prefill(original, PROMPT);
      const clone = model.cloneSlot(original)!;
      expect(model.rewind(clone, 70)).toBe(true);
      const ofClone = await goingOn(clone, OTHER);
      expect(await goingOn(original, OTHER)).toEqual(await freshly([...PROMPT, ...OTHER]));
      expect(ofClone).toEqual(await freshly([...PROMPT.slice(0, 70), ...OTHER]));
    }));

  test('forward is an error', () =>
    withSlots(1, async (slot) => {
      expect(() => model.rewind(slot, 1)).toThrow(/stands at 0/);
    }));
});

describe('slots', () => {
  test(
    'that were closed leave nothing behind',
    () =>
      withSlots(1, async (slot) => {
        // A token chosen before must not be penalised in the next sequence, nor its mask or keys matter.
        const penalised = { repetitionPenalty: 3 };
        model.setSampler(slot, penalised);
        const expected = await goingOn(slot, OTHER, 4);
        model.rewind(slot, 0);
        model.setSampler(slot, penalised, new Uint32Array(12).fill(0x11111111));
        await goingOn(slot, golden.tokens.slice(0, 140), 4);
        model.closeSlot(slot);

        expect(model.openSlot()).toBe(slot);
        expect(model.position(slot)).toBe(0);
        const fresh = await freshly(PROMPT);
        // Beside a row with penalties and a mask: alone, a greedy row's sampler would not look for them.
        const beside = model.openSlot()!;
        model.setSampler(beside, penalised, new Uint32Array(12).fill(0xffffffff));
        await model.prefill(beside, PROMPT);
        expect((await model.prefill(slot, PROMPT)).token).toBe(fresh.first);
        for (const expectedToken of fresh.rest.tokens) {
          expect((await model.step([beside, slot]))[1].token).toBe(expectedToken);
        }
        expect(await model.logits(slot)).toEqual(fresh.rest.logits);
        model.closeSlot(slot);
        model.openSlot();
        model.setSampler(slot, penalised);
        expect(await goingOn(slot, OTHER, 4)).toEqual(expected);
      }),
    TIMEOUT,
  );

  test(
    'generate together what each generates alone, bit for bit',
    () =>
      withSlots(SLOTS, async (...slots) => {
        const prompts = slots.map((slot) => golden.tokens.slice(slot * 11, slot * 11 + 5 + slot * 9));
        const alone = [];
        for (const slot of slots) {
          alone.push(await goingOn(slot, prompts[slot], 3));
          model.rewind(slot, 0);
        }
        for (const slot of slots) await model.prefill(slot, prompts[slot]);
        // In another order than that of the slots.
        const order = [...slots].reverse();
        const steps: number[][] = [];
        for (let i = 0; i < 3; i++) steps.push((await model.step(order)).map(({ token }) => token));
        for (const [row, slot] of order.entries()) {
          const { tokens, logits } = alone[slot].rest;
          expect(
            steps.map((tokens) => tokens[row]),
            `slot ${slot}`,
          ).toEqual(tokens);
          expect(await model.logits(slot), `slot ${slot}`).toEqual(logits);
        }
      }),
    TIMEOUT,
  );

  test('count positions from the call on, and steps in flight give what waiting for each gives', () =>
    withSlots(2, async (slot, alone) => {
      await model.prefill(alone, PROMPT);
      const expected = await continuation(alone, 5);
      await model.prefill(slot, PROMPT);
      const steps = Array.from({ length: 5 }, (_, i) => {
        const step = model.step([slot]);
        expect(model.position(slot)).toBe(PROMPT.length + i + 1);
        return step;
      });
      expect((await Promise.all(steps)).map(([{ token }]) => token)).toEqual(expected.tokens);
      expect(await model.logits(slot)).toEqual(expected.logits);
    }));

  test('steps of one submit give what steps of their own give', () =>
    withSlots(2, async (slot, alone) => {
      // The second of the first two is the first of a block of the cache.
      const prompt = golden.tokens.slice(0, 63);
      await model.prefill(alone, prompt);
      const expected = await continuation(alone, 6);
      await model.prefill(slot, prompt);
      const submits = [model.steps([slot], 2), model.steps([slot], MAX_STEPS_TOGETHER)];
      expect(model.position(slot)).toBe(69);
      const steps = (await Promise.all(submits)).flat();
      expect(steps.map(([{ token }]) => token)).toEqual(expected.tokens);
      expect(await model.logits(slot)).toEqual(expected.logits);

      for (const again of [slot, alone]) {
        model.rewind(again, 62);
        await model.prefill(again, prompt.slice(62));
      }
      const together = await model.steps([alone, slot], MAX_STEPS_TOGETHER);
      for (const [step, rows] of together.entries()) {
        expect(rows.map((row) => row.slot)).toEqual([alone, slot]);
        for (const { token } of rows) expect(token).toBe(expected.tokens[step]);
      }
      expect(await codeOf(model.steps([slot], 5))).toBe('internal: A submit takes 1 to 4 steps, not 5.');
    }));

  test('hold as much as their context, and say when it is full', () =>
    withSlots(1, async (slot) => {
      const tokens = golden.tokens.slice(0, CONTEXT - 1);
      await model.prefill(slot, tokens);
      expect(await codeOf(model.prefill(slot, [5, 6]))).toBe(
        'context-overflow: The prompt ends at token 257; the context holds 256.',
      );
      expect(model.position(slot)).toBe(CONTEXT - 1);
      const full = 'context-overflow: The context of 256 tokens is full.';
      expect(await codeOf(model.steps([slot], 2))).toBe(full);
      expect(model.position(slot)).toBe(CONTEXT - 1);
      await model.step([slot]);
      expect(await codeOf(model.step([slot]))).toBe(full);
      expect(model.position(slot)).toBe(CONTEXT);
      expect(await codeOf(model.prefill(slot, []))).toBe('bad-request: A prompt has at least one token.');
    }));

  test('refuse tokens outside the vocabulary before anything is computed', () =>
    withSlots(1, async (slot) => {
      for (const token of [384, -1, 1.5, Number.NaN]) {
        expect(await codeOf(model.prefill(slot, [2, token]))).toBe(
          `bad-request: Token ${token} is outside the vocabulary of 384.`,
        );
      }
      expect(model.position(slot)).toBe(0);
    }));

  test('that are used again and again take no more memory', () =>
    withSlots(0, async () => {
      const round = async () => {
        const slot = model.openSlot()!;
        await model.prefill(slot, PROMPT);
        const clone = model.cloneSlot(slot)!;
        await Promise.all([model.step([slot, clone]), model.step([slot])]);
        await model.logits(slot);
        model.closeSlot(slot);
        model.closeSlot(clone);
      };
      await round();
      const before = model.gpuBytes;
      for (let i = 0; i < 3; i++) await round();
      expect(model.gpuBytes).toBe(before);
    }));
});

describe('sampling', () => {
  test(
    'a mask allows some tokens and no others',
    () =>
      withSlots(1, async (slot) => {
        const allowed = [0, 31, 32, 300, 383];
        const mask = new Uint32Array(12);
        for (const id of allowed) mask[id >> 5] |= 1 << (id & 31);
        model.setSampler(slot, {}, mask);
        const tokens = [(await model.prefill(slot, PROMPT)).token];
        expect(tokens[0]).toBe(largest(await model.logits(slot), (id) => allowed.includes(id)));
        for (let i = 0; i < 4; i++) {
          tokens.push(await stepAlone(slot));
          expect(tokens.at(-1)).toBe(largest(await model.logits(slot), (id) => allowed.includes(id)));
        }
        model.setSampler(slot, {});
        expect(await stepAlone(slot)).toBe(largest(await model.logits(slot)));
        expect(() => model.setSampler(slot, {}, new Uint32Array(11))).toThrow(
          'A mask has 12 words, one bit a vocabulary id, not 11.',
        );
      }),
    TIMEOUT,
  );

  test('logits are those from which the token came, until others overwrite them', () =>
    withSlots(2, async (a, b) => {
      await model.prefill(a, PROMPT);
      await model.prefill(b, OTHER);
      expect(await codeOf(model.logits(a))).toMatch(/^internal: The logits of slot \d have been overwritten\.$/);
      for (const { slot, token } of await model.step([b, a])) expect(largest(await model.logits(slot))).toBe(token);
    }));
});

describe('an abort between chunks', () => {
  test('leaves the slot after the last whole chunk, and usable', () =>
    withSlots(1, async (slot) => {
      const tokens = golden.tokens.slice(0, 150);
      const controller = new AbortController();
      const prefill = model.prefill(slot, tokens, {
        signal: controller.signal,
        chunk: CHUNK,
        onProgress: (done) => done >= 2 * CHUNK && controller.abort(),
      });
      expect(await codeOf(prefill)).toMatch(/^aborted: /);
      const done = model.position(slot);
      expect(done).toBe(2 * CHUNK);
      expect(await goingOn(slot, tokens.slice(done))).toEqual(await freshly(tokens));
    }));

  test('before the first computes nothing', () =>
    withSlots(1, async (slot) => {
      expect(await codeOf(model.prefill(slot, PROMPT, { signal: AbortSignal.abort() }))).toMatch(/^aborted: /);
      expect(model.position(slot)).toBe(0);
    }));
});
