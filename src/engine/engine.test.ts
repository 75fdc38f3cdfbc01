import { describe, expect, test, vi } from 'vitest';
import { LapisError } from '../protocol/errors.ts';
import type { GenerateRequest } from '../protocol/generation.ts';
import {
  babble,
  COLON,
  collect,
  completion,
  type EndEvent,
  EOS,
  end,
  says,
  settle,
  start,
  tokenizer,
} from './testing/scripted-engine.ts';

describe('one generation', () => {
  test('streams the text up to a stop token', async () => {
    const { engine, model } = start({ next: says(tokenizer.encode('hello a')) }, { loadMs: 5 });
    const events = await collect(engine.generate(completion('say:')));
    expect(events[0]).toEqual({ type: 'start', promptTokens: [2, ...tokenizer.encode('say:')] });
    const last = events.at(-1) as EndEvent;
    expect(last).toMatchObject({
      type: 'end',
      finishReason: 'stop',
      text: 'hello a',
      tokens: [...tokenizer.encode('hello a'), EOS],
    });
    expect(last.timings.loadMs).toBe(5);
    expect(last.timings.prefillMs).toBeGreaterThan(0);
    expect(last.timings.firstTokenMs).toBeGreaterThanOrEqual(last.timings.prefillMs);
    expect(last.timings.decodeTokensPerSecond).toBeGreaterThan(0);
    await settle();
    // The steps in flight when the stop was read wrote rubbish behind it, which is forgotten.
    expect(model.position(0)).toBe(1 + 4 + tokenizer.encode('hello a').length + 1);
  });

  test('ends with the token limit and asks the model for no more', async () => {
    const { engine, model } = start({ next: babble });
    const last = await end(engine.generate(completion('x', { maxTokens: 5, sampling: { seed: 3 } })));
    expect(last.finishReason).toBe('length');
    expect(last.tokens).toHaveLength(5);
    expect(model.stepped).toHaveLength(4);
  });

  test('one token needs no step', async () => {
    const { engine, model } = start({ next: says(tokenizer.encode('hello')) });
    expect(await end(engine.generate(completion('a:', { maxTokens: 1 })))).toMatchObject({
      finishReason: 'length',
      text: 'h',
    });
    expect(model.stepped).toHaveLength(0);
  });

  test.each([1, 2, 3, 8])('says the same with %i submits in flight', async (submitsInFlight) => {
    const alone = start({ next: babble });
    const expected = await end(alone.engine.generate(completion('same', { sampling: { seed: 11 } })));
    const { engine } = start({ next: babble }, { submitsInFlight });
    expect(await end(engine.generate(completion('same', { sampling: { seed: 11 } })))).toMatchObject({
      text: expected.text,
      tokens: expected.tokens,
      finishReason: expected.finishReason,
    });
  });

  test.each([
    { stepMs: 0, most: 4, tokens: 200 },
    { stepMs: 9, most: 1, tokens: 20 },
  ])(
    'takes $most steps together where one takes $stepMs ms, and none beyond the limit',
    async ({ stepMs, most, tokens }) => {
      const { engine, model } = start({ next: () => COLON, stepMs });
      const last = await end(engine.generate(completion('x', { maxTokens: tokens })));
      expect(last.tokens).toHaveLength(tokens);
      expect(Math.max(...model.submits)).toBe(most);
      // As many as are under way from the two submits before: the GPU does not wait while they are encoded.
      expect(model.submits.find((count) => count > 1) ?? 1).toBe(Math.min(2, most));
      expect(model.stepped).toHaveLength(tokens - 1);
    },
  );

  test('counts what a submit takes for each of its steps', async () => {
    vi.useFakeTimers();
    try {
      const { engine, model } = start({ next: () => COLON, stepMs: 3 });
      const answer = end(engine.generate(completion('x', { maxTokens: 101 })));
      await vi.runAllTimersAsync();
      expect((await answer).tokens).toHaveLength(101);
      expect(new Set(model.submits.slice(20, -1))).toEqual(new Set([2]));
    } finally {
      vi.useRealTimers();
    }
  });

  test('has several submits in flight', async () => {
    const { engine, model } = start({ next: says(tokenizer.encode('abcdefgh')) });
    const answer = end(engine.generate(completion('a:')));
    while (model.prefills.length === 0) await settle();
    model.hold();
    await settle();
    expect(model.stepped.length).toBeGreaterThanOrEqual(3);
    model.release();
    expect((await answer).text).toBe('abcdefgh');
  });

  test('holds back bytes of an unfinished character', async () => {
    const bytes = tokenizer.encode('😀');
    expect(bytes).toHaveLength(4);
    const { engine } = start({ next: says([...bytes, ...tokenizer.encode('a')]) });
    const events = await collect(engine.generate(completion(':')));
    expect(events.flatMap((event) => (event.type === 'text' ? [event.text] : []))).toEqual(['😀', 'a', '']);
    const cut = start({ next: says(bytes) });
    expect(await end(cut.engine.generate(completion(':', { maxTokens: 3 })))).toMatchObject({
      text: '',
      finishReason: 'length',
    });
  });

  test('ends at a stop string, which is not said', async () => {
    const { engine } = start({ next: says(tokenizer.encode('abc def ghi')) });
    expect(await end(engine.generate(completion(':', { stop: ['ef'] })))).toMatchObject({
      text: 'abc d',
      finishReason: 'stop',
    });
    expect(await end(engine.generate(completion(':', { stop: ['efx', 'ix'] })))).toMatchObject({ text: 'abc def ghi' });
    expect(await end(engine.generate(completion(':', { stop: ['efx'], maxTokens: 7 })))).toMatchObject({
      text: 'abc def',
      finishReason: 'length',
    });
  });

  test('reports log-probabilities with their tokens', async () => {
    const { engine } = start({ next: says(tokenizer.encode('ab')) });
    const events = await collect(engine.generate(completion(':', { sampling: { logProbabilities: 1 } })));
    for (const event of events) {
      if (event.type === 'text') expect(event.logProbabilities?.map(({ token }) => token)).toEqual(event.tokens);
    }
  });

  test('reports the progress of a prompt of several chunks', async () => {
    const { engine } = start({ next: says([]), chunk: 4 });
    const events = await collect(engine.generate(completion('abcdefghi:')));
    expect(events.filter(({ type }) => type === 'prefill')).toEqual([
      { type: 'prefill', done: 4, total: 11 },
      { type: 'prefill', done: 8, total: 11 },
    ]);
  });

  test('asks a mask before every token and never steps ahead of it', async () => {
    const { engine, model } = start({ next: (_, __, mask) => mask?.[0] ?? -1 });
    const asked: number[][] = [];
    const ids = tokenizer.encode('abc');
    const mask = (generated: readonly number[]) => {
      asked.push([...generated]);
      return Uint32Array.of(ids[generated.length] ?? EOS);
    };
    expect(await end(engine.generate(completion('a'), { mask }))).toMatchObject({ text: 'abc', finishReason: 'stop' });
    expect(asked).toEqual([[], ids.slice(0, 1), ids.slice(0, 2), ids]);
    expect(model.stepped).toHaveLength(3);
  });

  test('beside one with a mask nobody takes steps together', async () => {
    const { engine, model } = start({ next: () => COLON });
    const masked = end(engine.generate(completion('m', { maxTokens: 60 }), { mask: () => Uint32Array.of(COLON) }));
    const other = end(engine.generate(completion('x', { maxTokens: 60 })));
    for (const { tokens } of await Promise.all([masked, other])) expect(tokens).toHaveLength(60);
    expect(Math.max(...model.submits)).toBe(1);
  });

  test('a mask that throws ends its own generation only', async () => {
    const { engine } = start({ next: says(tokenizer.encode('abcdef')) });
    const broken = collect(
      engine.generate(completion('a:'), {
        mask: (generated) => {
          if (generated.length === 2) throw new LapisError('bad-request', 'The grammar has no way on.');
          return new Uint32Array(9).fill(0xffff_ffff);
        },
      }),
    );
    const whole = end(engine.generate(completion('b:')));
    expect((await broken).at(-1)).toEqual({
      type: 'error',
      error: { code: 'bad-request', message: 'The grammar has no way on.' },
    });
    expect((await whole).text).toBe('abcdef');
  });

  test.each(['itself', 'another'])('a mask that aborts %s leaves the slot to whom it is given next', async (whom) => {
    const request = completion('b', { maxTokens: 20, sampling: { seed: 5 } });
    const alone = await end(start({ next: babble }).engine.generate(request));
    const slotCount = whom === 'itself' ? 1 : 2;
    const { engine } = start({ next: babble, slotCount }, { submitsInFlight: 1 });
    const controller = new AbortController();
    const { signal } = controller;
    const other = whom === 'another' && collect(engine.generate(completion('c', { maxTokens: 900 }), { signal }));
    const mask = (generated: readonly number[]) => {
      if (generated.length === 3) controller.abort();
      return Uint32Array.of(COLON);
    };
    const masked = collect(engine.generate(completion('a', { maxTokens: 5 }), { mask, ...(!other && { signal }) }));
    expect((await end(engine.generate(request))).text).toBe(alone.text);
    await Promise.all([masked, other]);
  });
});

describe('requests that cannot be', () => {
  test.each([
    [completion('abc', { maxTokens: 0 }), 'bad-request', 'maxTokens must be a whole number of at least 1, not 0.'],
    [completion('abc', { stop: [''] }), 'bad-request', 'A stop string must not be empty.'],
    [completion('abc', { sampling: { temperature: -1 } }), 'bad-request', 'temperature is out of range: -1.'],
    [completion('abc', { sampling: { topP: Number.NaN } }), 'bad-request', 'topP is out of range: NaN.'],
    [completion('abc', { sampling: { topK: 1.5 } }), 'bad-request', 'topK is out of range: 1.5.'],
    [completion('abc', { sampling: { seed: 2 ** 32 } }), 'bad-request', 'seed is out of range: 4294967296.'],
    [{ prompt: { kind: 'chat', messages: [] } }, 'bad-request', 'A chat needs at least one user message.'],
    [
      completion('a'.repeat(40)),
      'context-overflow',
      'The prompt has 41 tokens, but the context holds 32 with the answer.',
    ],
    [
      completion('a'.repeat(31)),
      'context-overflow',
      'The prompt has 32 tokens, but the context holds 32 with the answer.',
    ],
  ] as [GenerateRequest, string, string][])('end with one error before any work %#', async (request, code, message) => {
    const { engine, model } = start({ next: babble, contextTokens: 32 });
    expect(await collect(engine.generate(request))).toEqual([{ type: 'error', error: { code, message } }]);
    expect(model.log).toEqual([]);
  });

  test('an answer ends with `length` where the context ends', async () => {
    const { engine } = start({ next: () => COLON, contextTokens: 32 });
    const last = await end(engine.generate(completion('a'.repeat(20), { maxTokens: 100 })));
    expect(last).toMatchObject({ finishReason: 'length' });
    expect(last.tokens).toHaveLength(11);
  });
});

describe('several generations', () => {
  const prompts = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven', 'twelve'];
  const request = (text: string, i: number) => completion(text, { sampling: { seed: i }, maxTokens: 60 });

  async function alone(): Promise<string[]> {
    const texts: string[] = [];
    for (const [i, text] of prompts.entries()) {
      texts.push((await end(start({ next: babble }).engine.generate(request(text, i)))).text);
    }
    return texts;
  }

  test.each([1, 3, 8, 12])('say together in %i slots what each says alone', async (slotCount) => {
    const { engine, model } = start({ next: babble, slotCount });
    const together = await Promise.all(prompts.map((text, i) => end(engine.generate(request(text, i)))));
    expect(together.map(({ text }) => text)).toEqual(await alone());
    const most = Math.max(...model.stepped.map((slots) => slots.length));
    expect(most).toBeLessThanOrEqual(Math.min(slotCount, 8));
    if (slotCount > 1) expect(most).toBeGreaterThan(1);
  });

  test('say the same where a step that compiles is overtaken', async () => {
    const { engine } = start({ next: babble, compileMs: 30 });
    const together = await Promise.all(prompts.map((text, i) => end(engine.generate(request(text, i)))));
    expect(together.map(({ text }) => text)).toEqual(await alone());
  });

  test('start in the order in which they came', async () => {
    const { engine, model } = start({ next: babble, slotCount: 2 });
    await Promise.all(prompts.map((text, i) => end(engine.generate(request(text, i)))));
    expect(model.prefills.map((tokens) => tokenizer.decode(tokens).replace('<bos>', ''))).toEqual(prompts);
  });

  test('the next turn of a chat prefills only what is new', async () => {
    const { engine, model } = start({ next: says(tokenizer.encode('hello a')) });
    const first = { role: 'user', content: 'what is it in the sky:' } as const;
    const answer = await end(engine.generate({ prompt: { kind: 'chat', messages: [first] } }));
    await settle();
    const messages = [first, { role: 'assistant', content: answer.text }, { role: 'user', content: 'and:' }] as const;
    const second = await end(engine.generate({ prompt: { kind: 'chat', messages: [...messages] } }));
    expect(model.openSlots).toBe(1);
    const tail = tokenizer.decode(model.prefills[1]);
    // The model ended with eos where the format has <end_of_turn>.
    expect(tail).toBe('<end_of_turn>\n<start_of_turn>user\nand:<end_of_turn>\n<start_of_turn>model\n');
    const fresh = start({ next: says(tokenizer.encode('hello a')) });
    const again = await end(fresh.engine.generate({ prompt: { kind: 'chat', messages: [...messages] } }));
    expect(again).toMatchObject({ text: second.text, tokens: second.tokens });
  });

  test('say the same with a reused prefix, whatever the model can rewind', async () => {
    const text = 'the quick brown fox jumps over';
    const expected = (await end(start({ next: babble }).engine.generate(request(text, 5)))).text;
    for (const rewindReach of [0, 1, 5, 1000]) {
      const { engine } = start({ next: babble, slotCount: 1, rewindReach });
      await end(engine.generate(request(`${text} the lazy`, 9)));
      expect((await end(engine.generate(request(text, 5)))).text).toBe(expected);
      expect((await end(engine.generate(request(text, 5)))).text).toBe(expected);
    }
  });

  test('more than can wait are refused', async () => {
    const { engine, model } = start({ next: babble, slotCount: 1 });
    model.hold();
    const all = Array.from({ length: 70 }, (_, i) => collect(engine.generate(request('a', i))));
    await settle();
    model.release();
    const refused = (await Promise.all(all)).filter((events) => events.at(-1)!.type === 'error');
    expect(refused).toHaveLength(5);
    expect(refused[0]).toMatchObject([{ type: 'start' }, { type: 'error', error: { code: 'busy' } }]);
  });

  test('a model whose slots are all taken by others is busy', async () => {
    const { engine, model } = start({ next: babble, slotCount: 1 });
    model.openSlot();
    expect((await collect(engine.generate(completion('a')))).at(-1)).toMatchObject({ error: { code: 'busy' } });
  });
});

describe('a slot that is lent', () => {
  test('is empty, is given back, and answers go on with what their slots held', async () => {
    const { model, engine } = start({ next: says([5, 6]), slotCount: 2 });
    await end(engine.generate(completion('abcdefghijklmnopqrst:')));
    const lent = await engine.withSlot(async (slot) => {
      expect(model.position(slot)).toBe(0);
      await model.prefill(slot, [2, 9, 9]);
      return slot;
    });
    expect(await engine.withSlot(async (slot) => slot)).toBe(lent);
    const before = model.log.length;
    await end(engine.generate(completion('abcdefghijklmnopqrst:')));
    const prefills = model.log
      .slice(before)
      .flatMap((entry) => (entry.call === 'prefill' ? [entry.tokens.length] : []));
    expect(prefills).toEqual([1]);
  });

  test('is given back when its use fails, and taken from the longest unused when all are kept', async () => {
    const { engine } = start({ next: says([5]), slotCount: 1 });
    await end(engine.generate(completion('a:')));
    const failing = engine.withSlot(() => Promise.reject(new LapisError('aborted', 'Enough.')));
    await expect(failing).rejects.toMatchObject({ code: 'aborted' });
    expect(await engine.withSlot(async () => 'mine')).toBe('mine');
    await end(engine.generate(completion('a:')));
  });

  test('is refused while anything is generated', async () => {
    const { model, engine } = start({ next: says([5, 5, 5]) });
    model.hold();
    const answer = end(engine.generate(completion('a:')));
    await expect(engine.withSlot(async () => 1)).rejects.toMatchObject({ code: 'busy' });
    model.release();
    await answer;
    expect(await engine.withSlot(async () => 1)).toBe(1);
  });

  test('is refused when the device is gone', async () => {
    const { model, engine } = start({ next: says([5]) });
    model.destroy();
    await model.lost;
    await expect(engine.withSlot(async () => 1)).rejects.toMatchObject({ code: 'device-lost' });
  });
});
