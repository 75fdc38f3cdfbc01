import { describe, expect, test, vi } from 'vitest';
import type { ConsentRecord } from '../protocol/consent.ts';
import { openConsents } from '../protocol/consent.ts';
import type { DoorEvent, DoorPort } from '../protocol/door.ts';
import { DOOR_LIMITS } from '../protocol/door.ts';
import type { RelayAnswer, RelayOpening } from '../protocol/door-relay.ts';
import type { GenerateEvent, GenerateRequest } from '../protocol/generation.ts';
import type { HostStatus, ModelEntry } from '../protocol/host.ts';
import { portPair } from '../protocol/testing/port-pair.ts';
import type { DoorHost } from './door-session.ts';
import { callerOf, Doors, isOwn } from './doors.ts';

const OWN = 'p'.repeat(32);
const OTHER = 'a'.repeat(32);
const ORIGIN = `chrome-extension://${OWN}`;
const REQUEST = { prompt: { kind: 'completion', text: 'The sky is' } } as const;
const TIMINGS = { loadMs: 0, prefillMs: 0, firstTokenMs: 0, decodeTokensPerSecond: 20 };
const SUSPECT = 'Its answers on this machine are not to be trusted.';
const END: GenerateEvent = { type: 'end', finishReason: 'stop', tokens: [7, 1], text: ' blue', timings: TIMINGS };

/** Doors on a host whose answers the test writes; OTHER is allowed. */
function setUp(answer: (say: ReadableStreamDefaultController<GenerateEvent>) => void = () => {}, suspect?: string) {
  const records = new Map<string, ConsentRecord>([[OTHER, { id: OTHER, allowed: true, firstAsked: 1, requests: 0 }]]);
  const consents = openConsents({
    get: async (id) => records.get(id),
    update: async (id, updater) => void records.set(id, updater(records.get(id))),
    delete: async (id) => void records.delete(id),
    all: async () => [...records.values()],
  });
  const requests: GenerateRequest[] = [];
  const cancelled = vi.fn();
  const closed = vi.fn();
  const openHost = (): DoorHost => ({
    async generate(request) {
      requests.push(request);
      return new ReadableStream({ start: (controller) => answer(controller), cancel: cancelled });
    },
    async watchStatus() {
      const status = { selectedModelId: 'demo', loadedModelId: 'demo', suspect } as HostStatus;
      return new ReadableStream({ start: (controller) => controller.enqueue(status) });
    },
    listModels: async () => [{ id: 'another' }, { id: 'demo', suspect }] as ModelEntry[],
    close: closed,
  });
  const doors = new Doors(
    { openHost, consents, openConsentWindow: () => new Promise(() => {}) },
    OWN,
    new AbortController().signal,
  );
  const connect = (sender: object = { id: OTHER, origin: `chrome-extension://${OTHER}` }, name = 'lapis/1') => {
    const [client, server] = portPair(name);
    const heard = listen(client);
    doors.connectExternal(Object.assign(server, { sender: sender as chrome.runtime.MessageSender }));
    return { client, heard };
  };
  return { doors, consents, requests, cancelled, closed, connect };
}

function listen(port: DoorPort) {
  const events: DoorEvent[] = [];
  let closed = false;
  port.onMessage.addListener((event) => void events.push(event as DoorEvent));
  port.onDisconnect.addListener(() => {
    closed = true;
  });
  return {
    events,
    get closed() {
      return closed;
    },
    /** Everything but the signs of life, once `count` of those have come. */
    async until(count: number): Promise<DoorEvent[]> {
      const telling = () => events.filter(({ type }) => type !== 'waiting');
      await vi.waitFor(() => expect(telling().length).toBeGreaterThanOrEqual(count));
      return telling();
    },
  };
}

const generate = (id = 'a', request: unknown = REQUEST) => ({ type: 'generate', id, request });

describe('a stranger at the door', () => {
  test('gets start, text and one end', async () => {
    const { connect, requests, consents, closed } = setUp((say) => {
      say.enqueue({ type: 'start', promptTokens: [2, 5, 6] });
      say.enqueue({ type: 'prefill', done: 3, total: 3 });
      say.enqueue({ type: 'text', text: '', tokens: [3] });
      say.enqueue({ type: 'text', text: ' blue', tokens: [7] });
      say.enqueue(END);
      say.close();
    });
    const { client, heard } = connect();
    client.postMessage(generate());
    expect(await heard.until(3)).toEqual([
      { type: 'start', id: 'a', promptTokens: 3 },
      { type: 'text', id: 'a', text: ' blue' },
      {
        type: 'end',
        id: 'a',
        finishReason: 'stop',
        usage: { promptTokens: 3, completionTokens: 2 },
        tokensPerSecond: 20,
      },
    ]);
    expect(requests).toEqual([{ ...REQUEST, maxTokens: DOOR_LIMITS.defaultMaxTokens }]);
    expect(await consents.get(OTHER)).toMatchObject({ requests: 1 });
    expect(closed).toHaveBeenCalledOnce();
  });

  test.each<[string, (say: ReadableStreamDefaultController<GenerateEvent>) => void, object]>([
    [
      'says what is wrong',
      (say) => say.enqueue({ type: 'error', error: { code: 'no-model', message: 'No.' } }),
      { code: 'no-model', message: 'No.' },
    ],
    ['breaks off', (say) => say.close(), { code: 'internal' }],
    ['fails', (say) => say.error(new Error('Boom.')), { code: 'internal', message: 'Boom.' }],
  ])('gets one error when the engine %s', async (_name, answer, error) => {
    const { connect, doors } = setUp(answer);
    const { client, heard } = connect();
    client.postMessage(generate());
    expect(await heard.until(1)).toEqual([{ type: 'error', id: 'a', error: expect.objectContaining(error) }]);
    expect(doors.busy).toBe(false);
  });

  test('has its request cancelled by its word, and by hanging up', async () => {
    const { connect, closed, doors } = setUp((say) => say.enqueue({ type: 'start', promptTokens: [2] }));
    const { client, heard } = connect();
    client.postMessage(generate());
    await heard.until(1);
    expect(doors.busy).toBe(true);
    client.postMessage({ type: 'cancel', id: 'another' });
    client.postMessage({ type: 'cancel', id: 'a' });
    expect((await heard.until(2)).at(-1)).toMatchObject({ type: 'end', id: 'a', finishReason: 'abort' });
    expect(closed).toHaveBeenCalledTimes(1);
    client.postMessage({ type: 'cancel', id: 'a' });
    client.postMessage(generate('b'));
    await heard.until(3);
    client.disconnect();
    await vi.waitFor(() => expect(closed).toHaveBeenCalledTimes(2));
    await vi.waitFor(() => expect(doors.busy).toBe(false));
    expect(heard.events.filter(({ type }) => type === 'error')).toEqual([]);
  });

  test('has one request at a time, and its id is not spent twice', async () => {
    const { connect, requests } = setUp((say) => say.enqueue({ type: 'start', promptTokens: [2] }));
    const { client, heard } = connect();
    for (const id of ['a', 'b', 'a']) client.postMessage(generate(id));
    const errors = (await heard.until(3)).filter(({ type }) => type === 'error');
    expect(errors).toEqual([
      { type: 'error', id: 'b', error: expect.objectContaining({ code: 'busy' }) },
      { type: 'error', error: expect.objectContaining({ code: 'busy' }) },
    ]);
    expect(requests.length).toBe(1);
  });

  test('is hung up on after too many bad messages', async () => {
    const { connect } = setUp();
    const { client, heard } = connect();
    for (let message = 0; message < DOOR_LIMITS.badMessages; message++) client.postMessage({ type: 'eval', id: 'x' });
    await vi.waitFor(() => expect(heard.closed).toBe(true));
    expect(heard.events).toHaveLength(DOOR_LIMITS.badMessages);
    expect(heard.events.every((event) => event.type === 'error' && event.error.code === 'bad-request')).toBe(true);
  });

  test('may not open ever more connections', async () => {
    const { connect } = setUp();
    const open = Array.from({ length: DOOR_LIMITS.ports }, () => connect());
    const { heard } = connect();
    expect(await heard.until(1)).toMatchObject([{ type: 'error', error: { code: 'busy' } }]);
    open[0].client.disconnect();
    await Promise.resolve();
    expect(connect().heard.closed).toBe(false);
  });

  test('loses its request when the person takes the permission back', async () => {
    const { connect, consents } = setUp((say) => say.enqueue({ type: 'start', promptTokens: [2] }));
    const { client, heard } = connect();
    client.postMessage(generate());
    await heard.until(1);
    await consents.decide(OTHER, false);
    expect((await heard.until(2)).at(-1)).toMatchObject({ type: 'error', id: 'a', error: { code: 'not-allowed' } });
  });

  test('reaches no engine before it is allowed', async () => {
    const { connect, consents, requests } = setUp((say) => say.close());
    const { client, heard } = connect({ id: 'b'.repeat(32) });
    client.postMessage(generate());
    await vi.waitFor(() => expect(heard.events).toEqual([{ type: 'waiting', id: 'a', for: 'permission' }]));
    await consents.decide('c'.repeat(32), false);
    const denied = connect({ id: 'c'.repeat(32) });
    denied.client.postMessage(generate());
    expect(await denied.heard.until(1)).toMatchObject([{ type: 'error', error: { code: 'not-allowed' } }]);
    expect(requests).toEqual([]);
  });

  test('learns the model only when it is allowed', async () => {
    const { connect } = setUp();
    const allowed = connect();
    allowed.client.postMessage({ type: 'status', id: 's' });
    expect(await allowed.heard.until(1)).toEqual([
      { type: 'status', id: 's', version: 1, permission: 'allowed', model: { id: 'demo', loaded: true } },
    ]);
    const stranger = connect({ id: 'b'.repeat(32) });
    stranger.client.postMessage({ type: 'status', id: 's' });
    expect(await stranger.heard.until(1)).toEqual([{ type: 'status', id: 's', version: 1, permission: 'unasked' }]);
  });

  test('is told, before the text and at the end, that the model is suspect', async () => {
    const { connect, consents } = setUp((say) => {
      say.enqueue({ type: 'start', promptTokens: [2] });
      say.enqueue({ type: 'text', text: ' green', tokens: [7] });
      say.enqueue(END);
      say.close();
    }, SUSPECT);
    const { client, heard } = connect();
    client.postMessage(generate());
    expect(await heard.until(3)).toMatchObject([
      { type: 'start', suspect: SUSPECT },
      { type: 'text' },
      { type: 'end', suspect: SUSPECT },
    ]);
    client.postMessage({ type: 'status', id: 's' });
    expect((await heard.until(4)).at(-1)).toMatchObject({ model: { id: 'demo', suspect: SUSPECT } });
    await consents.decide(OTHER, false);
    client.postMessage({ type: 'status', id: 't' });
    expect((await heard.until(5)).at(-1)).toEqual({ type: 'status', id: 't', version: 1, permission: 'denied' });
  });

  test('keeps the doubt at the end of what it cancelled', async () => {
    const { connect } = setUp((say) => say.enqueue({ type: 'start', promptTokens: [2] }), SUSPECT);
    const { client, heard } = connect();
    client.postMessage(generate());
    await heard.until(1);
    client.postMessage({ type: 'cancel', id: 'a' });
    expect((await heard.until(2)).at(-1)).toMatchObject({ type: 'end', finishReason: 'abort', suspect: SUSPECT });
  });

  test.each([
    ['of another version', { id: OTHER }, 'lapis/2', 'unsupported'],
    ['that is a web page', { origin: 'https://web.test' }, 'lapis/1', 'not-allowed'],
    ['that is a native program', { nativeApplication: 'x' }, 'lapis/1', 'not-allowed'],
  ])('%s is told so', async (_name, sender, name, code) => {
    const { heard } = setUp().connect(sender, name);
    expect(await heard.until(1)).toMatchObject([{ type: 'error', error: { code } }]);
    await vi.waitFor(() => expect(heard.closed).toBe(true));
  });
});

describe('a relay of the service worker', () => {
  const relay = (doors: Doors, opening: unknown, sender: object = { id: OWN, url: `${ORIGIN}/worker.js` }) => {
    const [client, server] = portPair('door-relay');
    const heard: unknown[] = [];
    client.onMessage.addListener((message) => heard.push(message));
    doors.connect(Object.assign(server, { sender: sender as chrome.runtime.MessageSender }));
    client.postMessage(opening);
    return { client, heard };
  };
  const opening = (openedAt: number): RelayOpening => ({
    openedAt,
    external: true,
    name: 'lapis/1',
    sender: { id: OTHER, url: 'chrome-extension://x/page.html' },
  });

  test('serves a client that came before the document', async () => {
    const { doors } = setUp();
    const { client, heard } = relay(doors, opening(Date.now() - 100));
    await vi.waitFor(() => expect(heard).toEqual([{ lapis: 'relay' } satisfies RelayAnswer]));
    client.postMessage({ type: 'status', id: 's' });
    await vi.waitFor(() => expect(heard[1]).toMatchObject({ type: 'status', permission: 'allowed' }));
  });

  test('is not needed for a client whose port the document has', async () => {
    const { doors, connect } = setUp();
    connect({ id: OTHER, url: 'chrome-extension://x/page.html' });
    const early = relay(doors, opening(Date.now() + 1));
    const late = relay(doors, opening(Date.now() + 60_000));
    await vi.waitFor(() => expect([...early.heard, ...late.heard]).toEqual([{ lapis: 'direct' }, { lapis: 'direct' }]));
  });

  test('is believed only from this extension itself', async () => {
    const { doors } = setUp();
    const page = { id: OWN, origin: 'https://web.test', url: 'https://web.test/', tab: { id: 3 } };
    const { heard } = relay(doors, opening(0), page);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(heard).toEqual([]);
  });
});

describe('senders', () => {
  test('are extensions by their verified id, or cards in tabs', () => {
    expect(callerOf({ id: OTHER, origin: 'https://web.test' }, true, OWN)).toEqual({
      kind: 'extension',
      id: OTHER,
      origin: 'https://web.test',
    });
    expect(callerOf({ id: OWN, tabId: 3 }, false, OWN)).toEqual({ kind: 'card', tabId: 3 });
    for (const id of [undefined, '', OWN, 'not-an-id', `${OTHER}a`])
      expect(callerOf({ id }, true, OWN)).toBeUndefined();
    expect(callerOf({ id: OWN }, false, OWN)).toBeUndefined();
    expect(callerOf({ id: OTHER, tabId: 3 }, false, OWN)).toBeUndefined();
  });

  test('are own pages and workers by their origin, which a content script does not have', () => {
    expect(isOwn({ id: OWN, origin: ORIGIN }, OWN)).toBe(true);
    expect(isOwn({ id: OWN, url: `${ORIGIN}/worker.js` }, OWN)).toBe(true);
    expect(isOwn({ id: OWN, origin: 'https://web.test', url: `${ORIGIN}/worker.js` }, OWN)).toBe(false);
    expect(isOwn({ id: OWN, url: `${ORIGIN}.test/` }, OWN)).toBe(false);
    expect(isOwn({ id: OTHER, origin: ORIGIN }, OWN)).toBe(false);
    expect(isOwn(undefined, OWN)).toBe(false);
  });
});
