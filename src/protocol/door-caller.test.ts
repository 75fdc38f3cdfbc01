import { describe, expect, test } from 'vitest';
import type { DoorPort, DoorRequest } from './door.ts';
import type { DoorLine, DoorProgress } from './door-caller.ts';
import { callGenerate, callStatus } from './door-caller.ts';
import { portPair } from './testing/port-pair.ts';

const REQUEST = { prompt: { kind: 'completion', text: 'The sky is' } } as const;

/** A line to a Lapis that does with each request what the test says. */
function lineTo(answer: (port: DoorPort, request: DoorRequest) => void, line: Partial<DoorLine> = {}) {
  const servers: DoorPort[] = [];
  return {
    servers,
    wake: async () => {},
    lastError: () => undefined,
    connect() {
      const [client, server] = portPair('lapis/1');
      servers.push(server);
      server.onMessage.addListener((message) => answer(server, message as DoorRequest));
      return client;
    },
    ...line,
  };
}

async function collect(events: AsyncIterable<DoorProgress>): Promise<DoorProgress[]> {
  const all: DoorProgress[] = [];
  for await (const event of events) all.push(event);
  return all;
}

const END = { type: 'end', finishReason: 'stop', usage: { promptTokens: 4, completionTokens: 1 } } as const;

describe('callGenerate', () => {
  test('yields each event up to the end, then hangs up', async () => {
    const line = lineTo((port, { id }) => {
      port.postMessage({ type: 'start', id, promptTokens: 4 });
      port.postMessage({ type: 'text', id, text: ' blue' });
      port.postMessage({ type: 'text', id: 'another', text: 'not mine' });
      port.postMessage({ ...END, id });
    });
    const events = await collect(callGenerate(line, REQUEST));
    expect(events.map(({ type }) => type)).toEqual(['start', 'text', 'end']);
    let closed = false;
    line.servers[0].onDisconnect.addListener(() => {
      closed = true;
    });
    expect(closed).toBe(true);
  });

  test('throws what Lapis says', async () => {
    const line = lineTo((port, { id }) =>
      port.postMessage({ type: 'error', id, error: { code: 'not-allowed', message: 'No.' } }),
    );
    await expect(collect(callGenerate(line, REQUEST))).rejects.toMatchObject({ code: 'not-allowed', message: 'No.' });
  });

  test('ends with peer-lost when Lapis falls silent, and not while it says that it waits', async () => {
    const silent = lineTo(() => {});
    await expect(collect(callGenerate(silent, REQUEST, { silenceMs: 50 }))).rejects.toMatchObject({
      code: 'peer-lost',
    });
    const slow = lineTo((port, { id }) => {
      let beats = 0;
      const timer = setInterval(() => {
        beats += 1;
        port.postMessage({ type: 'waiting', id, for: 'engine' });
        if (beats < 10) return;
        clearInterval(timer);
        port.postMessage({ ...END, id });
      }, 20);
    });
    const events = await collect(callGenerate(slow, REQUEST, { silenceMs: 150 }));
    expect(events.at(-1)?.type).toBe('end');
  });

  test('ends with peer-lost when the port closes, after what had arrived', async () => {
    const line = lineTo((port, { id }) => {
      port.postMessage({ type: 'text', id, text: ' bl' });
      port.disconnect();
    });
    const read: DoorProgress[] = [];
    await expect(
      (async () => {
        for await (const event of callGenerate(line, REQUEST)) read.push(event);
      })(),
    ).rejects.toMatchObject({ code: 'peer-lost' });
    expect(read.map(({ type }) => type)).toEqual(['text']);
  });

  test('ends with peer-lost when Lapis is not there or does not wake', async () => {
    const absent = lineTo(() => {}, {
      wake: () => Promise.reject(new Error('Could not establish connection.')),
    });
    await expect(collect(callGenerate(absent, REQUEST))).rejects.toMatchObject({
      code: 'peer-lost',
      message: 'Lapis cannot be reached: Could not establish connection.',
    });
    const asleep = lineTo(() => {}, { wake: () => new Promise(() => {}) });
    await expect(collect(callGenerate(asleep, REQUEST, { silenceMs: 50 }))).rejects.toMatchObject({
      code: 'peer-lost',
    });
  });

  test('an abort ends it at once and hangs up', async () => {
    const caller = new AbortController();
    const line = lineTo((port, { id }) => port.postMessage({ type: 'text', id, text: ' bl' }));
    const read = (async () => {
      for await (const event of callGenerate(line, REQUEST, { signal: caller.signal })) {
        if (event.type === 'text') setTimeout(() => caller.abort());
      }
    })();
    await expect(read).rejects.toMatchObject({ code: 'aborted' });
    await expect(collect(callGenerate(line, REQUEST, { signal: caller.signal }))).rejects.toMatchObject({
      code: 'aborted',
    });
    expect(line.servers.length).toBe(1);
  });

  test('leaving the loop hangs up', async () => {
    const line = lineTo((port, { id }) => port.postMessage({ type: 'text', id, text: ' bl' }));
    for await (const _ of callGenerate(line, REQUEST)) break;
    let closed = false;
    line.servers[0].onDisconnect.addListener(() => {
      closed = true;
    });
    expect(closed).toBe(true);
  });
});

test('callStatus resolves with the status', async () => {
  const line = lineTo((port, { id }) => port.postMessage({ type: 'status', id, version: 1, permission: 'unasked' }));
  expect(await callStatus(line)).toMatchObject({ version: 1, permission: 'unasked' });
});
