import { afterEach, expect, test, vi } from 'vitest';
import type { DoorEvent, DoorPort, DoorRequest } from '../protocol/door.ts';
import { portPair } from '../protocol/testing/port-pair.ts';
import { connectLapis } from './index.ts';

const ID = 'p'.repeat(32);
const SUSPECT = 'Its answers on this machine are not to be trusted.';

type Answer = (request: DoorRequest) => DoorEvent[];

/** An extension's `chrome.runtime`, with a Lapis behind it that has these answers. */
function installLapis(answer: Answer, { versions = [1] }: { versions?: number[] } = {}): void {
  vi.stubGlobal('chrome', {
    runtime: {
      async sendMessage(id: string) {
        if (id !== ID) throw new Error('Could not establish connection. Receiving end does not exist.');
        return { lapis: 'awake', versions };
      },
      connect(_: string, { name }: { name: string }): DoorPort {
        const [client, server] = portPair(name);
        server.onMessage.addListener((request) => {
          for (const event of answer(request as DoorRequest)) server.postMessage(event);
        });
        return client;
      },
    },
  });
}
afterEach(() => vi.unstubAllGlobals());

const REQUEST = { prompt: { kind: 'completion', text: 'The sky is' } } as const;

const suspectAnswer: Answer = ({ id, type }) =>
  type === 'status'
    ? [{ type, id, version: 1, permission: 'allowed', model: { id: 'demo', loaded: true, suspect: SUSPECT } }]
    : [
        { type: 'start', id, promptTokens: 4, suspect: SUSPECT },
        { type: 'text', id, text: ' gre' },
        { type: 'text', id, text: 'en' },
        {
          type: 'end',
          id,
          finishReason: 'stop',
          usage: { promptTokens: 4, completionTokens: 2 },
          suspect: SUSPECT,
        },
      ];

test('a suspect model is told of before its text, at its end and in the status', async () => {
  installLapis(suspectAnswer);
  const lapis = await connectLapis(ID);
  const doubts: [string, string | undefined][] = [];
  for await (const event of lapis.generate(REQUEST)) {
    doubts.push([event.type, 'suspect' in event ? event.suspect : undefined]);
  }
  expect(doubts).toEqual([
    ['start', SUSPECT],
    ['text', undefined],
    ['text', undefined],
    ['end', SUSPECT],
  ]);
  expect(await lapis.status()).toEqual({
    version: 1,
    permission: 'allowed',
    model: { id: 'demo', loaded: true, suspect: SUSPECT },
  });
  expect(await lapis.complete(REQUEST)).toBe(' green');
});

test('no Lapis, and one of other versions only, are told apart', async () => {
  installLapis(suspectAnswer, { versions: [2] });
  await expect(connectLapis('a'.repeat(32))).rejects.toMatchObject({ code: 'peer-lost' });
  await expect(connectLapis(ID)).rejects.toMatchObject({ code: 'unsupported' });
});
