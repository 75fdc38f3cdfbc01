import { describe, expect, test } from 'vitest';
import { LapisError } from '../protocol/errors.ts';
import type { GenerateEvent, GenerateRequest } from '../protocol/generation.ts';
import type { ChatEvent, ChatSnapshot } from '../protocol/host.ts';
import { Chat } from './chat.ts';
import type { KeyValue } from './key-value.ts';

const TIMINGS = { loadMs: 0, prefillMs: 1, firstTokenMs: 2, decodeTokensPerSecond: 3 };

function memory(): KeyValue & { kept: Map<string, unknown> } {
  const kept = new Map<string, unknown>();
  return {
    kept,
    get: async <T>(key: string) => structuredClone(kept.get(key)) as T | undefined,
    set: async (key, value) => void kept.set(key, structuredClone(value)),
  };
}

/** A chat whose answers say words when they are told to. */
async function fixture(keyValue = memory(), system = '') {
  const requests: GenerateRequest[] = [];
  let say: (word: string | 'end' | Error) => void = () => {};
  async function* generate(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<GenerateEvent> {
    requests.push(request);
    let text = '';
    for (;;) {
      const word = await new Promise<string | Error>((resolve) => {
        say = resolve;
        signal.addEventListener('abort', () => resolve('abort'));
      });
      if (word instanceof Error) throw word;
      if (word === 'end' || word === 'abort') {
        const finishReason = word === 'end' ? 'stop' : 'abort';
        yield { type: 'end', finishReason, tokens: [], text, timings: TIMINGS };
        return;
      }
      text += word;
      yield { type: 'text', text: word, tokens: [1] };
    }
  }
  const settings = async () => ({ system, sampling: {}, maxTokens: 5 });
  const chat = await Chat.open({ keyValue, generate, settings, saveEveryMs: 5 });
  const soon = () => new Promise((resolve) => setTimeout(resolve, 20));
  const tell = async (...words: (string | Error)[]) => {
    for (const word of words) {
      await soon();
      say(word);
    }
    await soon();
  };
  const snapshot = async (): Promise<ChatSnapshot> => {
    const reader = chat.watch().getReader();
    const { value } = await reader.read();
    await reader.cancel();
    if (value?.type !== 'snapshot') throw new Error('A watch begins with a snapshot.');
    return value.chat;
  };
  return { chat, requests, tell, snapshot, keyValue };
}

describe('an answer', () => {
  test('grows for those who watch, and is kept with its timings', async () => {
    const { chat, tell, snapshot, requests } = await fixture(undefined, 'Be brief.');
    const reader = chat.watch().getReader();
    await reader.read();
    await chat.send('Hello');
    const events: ChatEvent[] = [];
    void (async () => {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        events.push(structuredClone(value));
      }
    })();
    await tell('Hi', ' there', 'end');
    expect(events.filter(({ type }) => type === 'delta')).toEqual([
      { type: 'delta', text: 'Hi' },
      { type: 'delta', text: ' there' },
    ]);
    expect(await snapshot()).toEqual({
      messages: [
        { role: 'user', content: 'Hello' },
        { role: 'assistant', content: 'Hi there' },
      ],
      generating: false,
      timings: TIMINGS,
    });
    expect(requests[0]).toMatchObject({
      prompt: {
        kind: 'chat',
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Hello' },
        ],
      },
      maxTokens: 5,
      sampling: { seed: expect.any(Number) },
    });
  });

  test('keeps what it said when it is stopped, and is no error then', async () => {
    const { chat, tell, snapshot } = await fixture();
    await chat.send('Hello');
    await tell('Hi');
    await chat.stop();
    expect(await snapshot()).toMatchObject({ messages: [{}, { content: 'Hi' }], generating: false });
    expect((await snapshot()).error).toBeUndefined();
  });

  test('that is stopped before it says anything leaves a question that says so and can be answered', async () => {
    const { chat, tell, snapshot, requests } = await fixture();
    await chat.send('Hello');
    await tell();
    await chat.stop();
    expect(await snapshot()).toEqual({
      messages: [{ role: 'user', content: 'Hello' }],
      generating: false,
      timings: TIMINGS,
      error: { code: 'aborted', message: 'The answer was stopped before its first word.' },
    });
    await chat.retry();
    await tell('Hi', 'end');
    expect(requests[1].prompt).toEqual(requests[0].prompt);
    expect((await snapshot()).error).toBeUndefined();
  });

  test('that fails leaves its error and no empty message; the next question leaves the unanswered one out', async () => {
    const { chat, tell, snapshot, requests } = await fixture();
    await chat.send('Hello');
    await tell(new LapisError('device-lost', 'The GPU is gone.'));
    expect(await snapshot()).toEqual({
      messages: [{ role: 'user', content: 'Hello' }],
      generating: false,
      error: { code: 'device-lost', message: 'The GPU is gone.' },
    });
    await chat.send('Still there?');
    await tell('Yes', 'end');
    await chat.send('Good.');
    await tell('Yes', 'end');
    const answered = [
      { role: 'user', content: 'Still there?' },
      { role: 'assistant', content: 'Yes' },
    ];
    expect(requests[1].prompt).toEqual({ kind: 'chat', messages: answered.slice(0, 1) });
    expect(requests[2].prompt).toEqual({ kind: 'chat', messages: [...answered, { role: 'user', content: 'Good.' }] });
    // It is not lost to sight.
    expect((await snapshot()).messages[0]).toEqual({ role: 'user', content: 'Hello' });
    expect((await snapshot()).error).toBeUndefined();
  });

  test('is made anew by retry, and forgotten by clear even in the middle', async () => {
    const { chat, tell, snapshot, requests } = await fixture();
    await chat.send('Hello');
    await tell('Hi', 'end');
    await chat.retry();
    await tell('Good day');
    expect(requests[1].prompt).toEqual(requests[0].prompt);
    await chat.clear();
    expect(await snapshot()).toEqual({ messages: [], generating: false });
  });

  test('is one at a time', async () => {
    const { chat, tell } = await fixture();
    await expect(chat.retry()).rejects.toMatchObject({ code: 'bad-request' });
    await expect(chat.send('  ')).rejects.toMatchObject({ code: 'bad-request' });
    await chat.send('Hello');
    await expect(chat.send('Again')).rejects.toMatchObject({ code: 'busy' });
    await expect(chat.retry()).rejects.toMatchObject({ code: 'busy' });
    await tell('end');
  });
});

test('a half answer outlives the worker, with the reason', async () => {
  const keyValue = memory();
  const { chat, tell } = await fixture(keyValue);
  await chat.send('Hello');
  await tell('Hal', 'f');
  const { snapshot } = await fixture(keyValue);
  expect(await snapshot()).toMatchObject({
    messages: [{ content: 'Hello' }, { role: 'assistant', content: 'Half' }],
    generating: false,
    error: { code: 'peer-lost' },
  });
});
