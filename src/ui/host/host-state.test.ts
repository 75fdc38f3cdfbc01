import { describe, expect, test } from 'vitest';
import { LapisError } from '../../protocol/errors.ts';
import { fakeHost } from '../testing/fake-host.ts';
import { applyChatEvent, createHostState } from './host-state.ts';

const question = { role: 'user', content: 'Why?' } as const;
const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

describe('the conversation after an event', () => {
  test('a delta grows the last answer, or begins one', () => {
    const before = { messages: [question], generating: true };
    const first = applyChatEvent(before, { type: 'delta', text: 'Be' });
    const second = applyChatEvent(first, { type: 'delta', text: 'cause.' });
    expect(second).toEqual({ messages: [question, { role: 'assistant', content: 'Because.' }], generating: true });
    expect(before.messages).toHaveLength(1);
  });
});

describe('the state of the host', () => {
  test('follows status, chat and models', async () => {
    const host = fakeHost();
    const state = createHostState(host, { chat: true });
    await settled();
    expect(state.status.value?.selectedModelId).toBe('demo');
    expect(state.models.value.map(({ id }) => id)).toContain('demo');
    await host.importModel(new File(['GGUF'], 'mine.gguf'));
    await settled();
    expect(state.status.value?.selectedModelId).toBe('file:mine.gguf');
    expect(state.models.value.map(({ id }) => id)).toContain('file:mine.gguf');
    state.dispose();
  });

  test('keeps the times of each answer until it is asked for again', async () => {
    const host = fakeHost();
    const state = createHostState(host, { chat: true });
    await settled();
    for (const text of ['one', 'two']) {
      await host.sendChat(text);
      host.say('An answer.');
      host.finish();
      await settled();
    }
    expect(Object.keys(state.timings.value)).toEqual(['1', '3']);
    await host.retryChat();
    host.say('Another');
    await settled();
    expect(Object.keys(state.timings.value)).toEqual(['1']);
    await host.newChat();
    await settled();
    expect(state.timings.value).toEqual({});
    state.dispose();
  });

  test('says why the engine cannot be reached, and reaches it when asked again', async () => {
    const host = fakeHost();
    const { watchStatus } = host;
    host.watchStatus = () => Promise.reject(new LapisError('peer-lost', 'It did not start.'));
    const state = createHostState(host, { chat: false });
    await settled();
    expect(state.unreachable.value?.message).toBe('It did not start.');
    host.watchStatus = watchStatus;
    state.reconnect();
    await settled();
    expect(state.unreachable.value).toBeUndefined();
    expect(state.status.value?.loadedModelId).toBe('demo');
    state.dispose();
  });

  test('waits for an engine that starts, and tries anew to reach one that did not', async () => {
    const host = fakeHost({ starting: true });
    host.failNext('watchStatus', new LapisError('peer-lost', 'It did not start.'));
    const state = createHostState(host, { chat: false });
    const first = state.reached();
    host.start();
    await expect(first).rejects.toMatchObject({ message: 'It did not start.' });
    expect((await state.reached()).selectedModelId).toBe('demo');
    expect(state.unreachable.value).toBeUndefined();
    state.dispose();
  });

  test('what the person cancelled is no failure', async () => {
    const state = createHostState(fakeHost(), { chat: false });
    expect(await state.attempt(() => Promise.reject(new LapisError('aborted', 'Cancelled.')))).toBe(false);
    expect(state.failure.value).toBeUndefined();
    expect(await state.attempt(() => Promise.reject(new Error('Broken.')))).toBe(false);
    expect(state.failure.value?.message).toBe('Broken.');
    expect(await state.attempt(async () => {})).toBe(true);
    expect(state.failure.value).toBeUndefined();
    state.dispose();
  });
});
