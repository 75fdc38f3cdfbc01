import { describe, expect, test } from 'vitest';
import { LapisError } from '../protocol/errors.ts';
import type { GenerateEvent } from '../protocol/generation.ts';
import type { FakeModelOptions } from './testing/fake-model.ts';
import {
  babble,
  COLON,
  collect,
  completion,
  type EndEvent,
  end,
  says,
  settle,
  start,
  tokenizer,
} from './testing/scripted-engine.ts';

/* Answers that do not come to their end: aborted, or with a model that fails. */

describe('abort', () => {
  const endless: FakeModelOptions['next'] = () => tokenizer.encode('a')[0];

  test('before the start', async () => {
    const { engine, model } = start({ next: endless });
    const last = await end(engine.generate(completion('a'), { signal: AbortSignal.abort() }));
    expect(last).toMatchObject({ finishReason: 'abort', text: '', tokens: [] });
    expect(model.log).toEqual([]);
  });

  test('in the queue', async () => {
    const { engine, model } = start({ next: endless, slotCount: 1 });
    const first = end(engine.generate(completion('a', { maxTokens: 50 })));
    const controller = new AbortController();
    const second = end(engine.generate(completion('b'), { signal: controller.signal }));
    controller.abort();
    expect(await second).toMatchObject({ finishReason: 'abort', text: '' });
    expect((await first).tokens).toHaveLength(50);
    expect(model.prefills).toHaveLength(1);
  });

  test('in the prefill: ends at once, keeps the whole chunks, the next one goes on', async () => {
    const { engine, model } = start({ next: babble, slotCount: 1, chunk: 4 });
    const text = 'abcdefghijklmnopqrstuvwxyz';
    const controller = new AbortController();
    model.hold();
    const aborted = end(engine.generate(completion(text), { signal: controller.signal }));
    const next = end(engine.generate(completion(text, { maxTokens: 3 })));
    await settle();
    controller.abort();
    expect(await aborted).toMatchObject({ finishReason: 'abort', text: '' });
    model.release();
    const expected = await end(start({ next: babble }).engine.generate(completion(text, { maxTokens: 3 })));
    expect(await next).toMatchObject({ text: expected.text });
    expect(model.prefills[1]).toHaveLength(27 - 4);
  });

  test('in the decode: ends at once with the text so far, and its slot serves the next', async () => {
    const { engine, model } = start({ next: endless, slotCount: 1 });
    const controller = new AbortController();
    const seen: GenerateEvent[] = [];
    for await (const event of engine.generate(completion('b', { maxTokens: 900 }), { signal: controller.signal })) {
      seen.push(event);
      if (seen.length === 10) {
        model.hold();
        controller.abort();
      }
    }
    const last = seen.at(-1) as EndEvent;
    expect(last).toMatchObject({ type: 'end', finishReason: 'abort' });
    expect(last.text.length).toBeGreaterThanOrEqual(8);
    expect(last.text).toBe('a'.repeat(last.tokens.length));
    model.release();
    await settle();
    expect(model.position(0)).toBe(2 + last.tokens.length);
    expect((await end(engine.generate(completion('c', { maxTokens: 2 })))).text).toBe('aa');
  });

  test('says what was held back for a stop string', async () => {
    const { engine } = start({ next: endless });
    const controller = new AbortController();
    const seen: GenerateEvent[] = [];
    for await (const event of engine.generate(completion('b', { stop: ['aaab'] }), { signal: controller.signal })) {
      seen.push(event);
      if (seen.length === 6) controller.abort();
    }
    const last = seen.at(-1) as EndEvent;
    expect(last.text).toBe('a'.repeat(last.tokens.length));
  });

  test('by leaving the iteration', async () => {
    const { engine, model } = start({ next: endless, slotCount: 1 });
    for await (const event of engine.generate(completion('b', { maxTokens: 900 }))) {
      if (event.type === 'text') break;
    }
    expect((await end(engine.generate(completion('c', { maxTokens: 2 })))).text).toBe('aa');
    expect(model.stepped.length).toBeLessThan(20);
  });

  test('after the end changes nothing', async () => {
    const { engine } = start({ next: says(tokenizer.encode('ab')) });
    const controller = new AbortController();
    const events = engine.generate(completion(':'), { signal: controller.signal });
    await settle();
    await settle();
    controller.abort();
    expect(await end(events)).toMatchObject({ finishReason: 'stop', text: 'ab' });
  });
});

describe('failures', () => {
  test('a lost device ends every generation, and those to come, with an error', async () => {
    const { engine, model } = start({ next: babble, slotCount: 1 });
    model.hold();
    const running = collect(engine.generate(completion('a')));
    const waiting = collect(engine.generate(completion('b')));
    await settle();
    model.loseDevice('The GPU was reset.');
    const lost = { type: 'error', error: { code: 'device-lost', message: 'The GPU was reset.' } };
    expect((await running).at(-1)).toEqual(lost);
    expect((await waiting).at(-1)).toEqual(lost);
    expect((await collect(engine.generate(completion('c')))).at(-1)).toEqual(lost);
    model.release();
    await settle();
    expect(model.prefills).toHaveLength(1);
  });

  test('an error of the model ends the generation once, with that error', async () => {
    const { engine, model } = start({ next: () => COLON, slotCount: 1 });
    const answers = [collect(engine.generate(completion('a', { maxTokens: 500 })))];
    while (model.stepped.length < 2) await settle();
    model.fail(new LapisError('internal', 'A kernel failed.'));
    answers.push(collect(engine.generate(completion('b'))));
    for (const events of await Promise.all(answers)) {
      expect(events.filter(({ type }) => type === 'end' || type === 'error')).toEqual([
        { type: 'error', error: { code: 'internal', message: 'A kernel failed.' } },
      ]);
    }
    await settle();
    expect(model.openSlots).toBe(0);
  });

  test('what failed is not kept for the next that begins alike', async () => {
    const { engine, model } = start({ next: () => COLON, slotCount: 1 });
    const prompt = completion('abcdefghijklmnopqrstuvwxyz', { maxTokens: 500 });
    const failed = collect(engine.generate(prompt));
    while (model.stepped.length < 2) await settle();
    model.fail(new LapisError('internal', 'A kernel failed.'));
    expect((await failed).at(-1)).toMatchObject({ type: 'error' });
    await settle();
    model.fail();
    await end(engine.generate({ ...prompt, maxTokens: 3 }));
    expect(model.prefills[1]).toEqual(model.prefills[0]);
  });

  test('a sampled id without a piece is an error', async () => {
    const { engine } = start({ next: (tokens) => (tokens.length < 5 ? COLON : 99_999) });
    const events = await collect(engine.generate(completion('a')));
    expect(events.at(-1)).toMatchObject({ type: 'error', error: { message: expect.stringContaining('99999') } });
  });
});
