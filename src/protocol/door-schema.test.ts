import { describe, expect, test } from 'vitest';
import { DOOR_LIMITS } from './door.ts';
import { idOf, parseDoorRequest } from './door-schema.ts';
import { LapisError } from './errors.ts';

const completion = (extra: object = {}, request: object = {}) => ({
  type: 'generate',
  id: '1',
  request: { prompt: { kind: 'completion', text: 'The sky is' }, ...request },
  ...extra,
});

const chat = (messages: unknown) => completion({}, { prompt: { kind: 'chat', messages } });

function faultOf(message: unknown): string {
  try {
    parseDoorRequest(message);
  } catch (error) {
    expect(error).toBeInstanceOf(LapisError);
    expect((error as LapisError).code).toBe('bad-request');
    return (error as LapisError).message;
  }
  throw new Error('The message was accepted.');
}

describe('parseDoorRequest', () => {
  test('accepts each request with all that it may have', () => {
    const full = completion(
      { name: 'Notes' },
      {
        sampling: { temperature: 0.7, topK: 40, topP: 0.95, minP: 0.05, repetitionPenalty: 1.1, seed: 0xffff_ffff },
        maxTokens: DOOR_LIMITS.maxTokens,
        stop: ['\n\n'],
      },
    );
    expect(parseDoorRequest(full)).toEqual(full);
    expect(parseDoorRequest({ type: 'cancel', id: 'a' })).toEqual({ type: 'cancel', id: 'a' });
    expect(parseDoorRequest({ type: 'status', id: 'a' })).toEqual({ type: 'status', id: 'a' });
    const turns = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hello' },
      { role: 'assistant', content: 'Hel' },
    ];
    expect(parseDoorRequest(chat(turns))).toEqual(chat(turns));
  });

  test.each([
    ['nothing', undefined, 'it must be an object whose type is "generate", "cancel" or "status"'],
    ['null', null, 'it must be an object'],
    ['a string', 'generate', 'it must be an object'],
    ['a list', [completion()], 'it must be an object'],
    ['an unknown type', { type: 'eval', id: '1' }, 'it must be an object whose type is'],
    ['a type from the prototype', { type: 'constructor', id: '1' }, 'it must be an object whose type is'],
    ['no id', { type: 'cancel' }, '"id" is missing'],
    ['an empty id', { type: 'cancel', id: '' }, '"id" must be a string of 1 to 64 characters'],
    ['an id that is an object', { type: 'cancel', id: { toString: 1 } }, '"id" must be a string'],
    ['a long id', { type: 'cancel', id: 'x'.repeat(65) }, '"id" must be a string of at most 64 characters'],
    ['an unknown field', completion({ model: 'x' }), '"model" is not a field of this message'],
    ['an unknown field inside', completion({}, { tools: [] }), '"request.tools" is not a field of this message'],
    ['no prompt', { type: 'generate', id: '1', request: {} }, '"request.prompt" is missing'],
    ['a prompt of another kind', completion({}, { prompt: { kind: 'image' } }), '"request.prompt" must be {kind:'],
    [
      'a prompt with both',
      completion({}, { prompt: { kind: 'chat', text: '' } }),
      '"request.prompt.messages" is missing',
    ],
    ['no messages', chat([]), '"request.prompt.messages" must be a list of 1 to 256 items'],
    ['messages that are no list', chat({ length: 2 }), '"request.prompt.messages" must be a list of 1 to 256 items'],
    ['too many messages', chat(new Array(257).fill({ role: 'user', content: '' })), 'must be a list of 1 to 256 items'],
    ['an unknown role', chat([{ role: 'tool', content: '' }]), '"request.prompt.messages.0.role" must be "system"'],
    [
      'a late system message',
      chat([
        { role: 'user', content: '' },
        { role: 'system', content: '' },
      ]),
      'may have a system message only at the front',
    ],
    [
      'a long text',
      completion({}, { prompt: { kind: 'completion', text: 'x'.repeat(200_001) } }),
      '"request.prompt.text" must be a string of at most 200,000 characters',
    ],
    [
      'messages that are long together',
      chat(new Array(3).fill({ role: 'user', content: 'x'.repeat(100_000) })),
      'must have at most 200,000 characters in all',
    ],
    ['no tokens', completion({}, { maxTokens: 0 }), '"request.maxTokens" must be a whole number from 1 to 4096'],
    ['half a token', completion({}, { maxTokens: 1.5 }), '"request.maxTokens" must be a whole number from 1 to 4096'],
    [
      'tokens in words',
      completion({}, { maxTokens: '5' }),
      '"request.maxTokens" must be a whole number from 1 to 4096',
    ],
    ['a cold temperature', completion({}, { sampling: { temperature: -1 } }), '"request.sampling.temperature" must be'],
    [
      'no number',
      completion({}, { sampling: { topP: Number.NaN } }),
      '"request.sampling.topP" must be a number from 0',
    ],
    ['a large seed', completion({}, { sampling: { seed: 2 ** 32 } }), '"request.sampling.seed" must be a whole number'],
    ['log-probabilities', completion({}, { sampling: { logProbabilities: 5 } }), 'is not a field of this message'],
    ['an empty stop string', completion({}, { stop: [''] }), '"request.stop.0" must be a string of 1 to 64 characters'],
    ['too many stop strings', completion({}, { stop: new Array(9).fill('x') }), 'must be a list of 0 to 8 items'],
    ['a long name', completion({ name: 'x'.repeat(61) }), '"name" must be a string of at most 60 characters'],
  ])('refuses %s with a sentence', (_name, message, fault) => {
    const sentence = faultOf(message);
    expect(sentence).toContain(`The message does not fit lapis/1: `);
    expect(sentence).toContain(fault);
    expect(sentence.endsWith('.')).toBe(true);
    expect(sentence.length).toBeLessThan(250);
  });

  test('refuses a huge list without a visit to each item', () => {
    const visited: number[] = [];
    const items = new Proxy([], {
      get(target, key, receiver) {
        if (key === 'length') return 50_000_000;
        if (typeof key === 'string' && /^\d+$/.test(key)) visited.push(Number(key));
        return Reflect.get(target, key, receiver);
      },
    });
    expect(faultOf(chat(items))).toContain('must be a list of 1 to 256 items');
    expect(visited).toEqual([]);
  });

  test('does not let a message reach a prototype', () => {
    const hostile = JSON.parse('{"type":"cancel","id":"1","__proto__":{"polluted":true}}');
    expect(() => parseDoorRequest(hostile)).toThrow(LapisError);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

test('idOf finds an id in a message that does not fit, and only a proper one', () => {
  expect(idOf({ type: 'eval', id: 'a' })).toBe('a');
  for (const message of [undefined, null, 'a', {}, { id: 1 }, { id: '' }, { id: 'x'.repeat(65) }]) {
    expect(idOf(message)).toBeUndefined();
  }
});
