import { afterEach, describe, expect, test } from 'vitest';
import { LapisError } from './errors.ts';
import type { GenerateEvent, GenerateRequest } from './generation.ts';
import type { HostStatus, LapisHost } from './host.ts';
import type { HostClient, HostClientOptions } from './host-client.ts';
import { createHostClient } from './host-client.ts';
import { serveHost } from './host-server.ts';

const REQUEST: GenerateRequest = { prompt: { kind: 'completion', text: 'x' } };
const SAID: GenerateEvent = { type: 'text', text: 'a', tokens: [1] };

/** A host whose workers can be ended or made to hang; each connection goes to a new one. */
function fixture(options: HostClientOptions = {}) {
  const ports: MessagePort[] = [];
  const cancelled: string[] = [];
  const state = { hanging: false, workers: 0 };
  const host = {
    ping: () => (state.hanging ? new Promise<void>(() => {}) : Promise.resolve()),
    listModels: () => new Promise(() => {}),
    selectModel: () => Promise.reject(new LapisError('no-model', 'There is none.')),
    generate: async () =>
      new ReadableStream<GenerateEvent>({
        start: (controller) => controller.enqueue(SAID),
        cancel: () => void cancelled.push('generate'),
      }),
    watchStatus: async () =>
      new ReadableStream<HostStatus>({
        start: (controller) => controller.enqueue({ selectedModelId: `worker ${state.workers}` } as HostStatus),
        cancel: () => void cancelled.push('status'),
      }),
  } as unknown as LapisHost;
  const client = createHostClient({
    connect: async () => {
      const { port1, port2 } = new MessageChannel();
      ports.push(port2);
      state.workers++;
      serveHost(host, port2);
      return port1;
    },
    pingIntervalMs: 20,
    deadAfterMs: 5_000,
    ...options,
  });
  return { client, state, cancelled, endWorker: () => ports.at(-1)?.close() };
}

const open: HostClient[] = [];
function started(options?: HostClientOptions) {
  const made = fixture(options);
  open.push(made.client);
  return made;
}
afterEach(() => {
  for (const client of open.splice(0)) client.close();
});

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'none';
  } catch (error) {
    return (error as LapisError).code;
  }
}

async function waitFor(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('a call', () => {
  test('brings an error back with its code', async () => {
    const { client } = started();
    await expect(client.selectModel('x')).rejects.toMatchObject({ code: 'no-model', message: 'There is none.' });
  });

  test('that is pending when the worker ends is rejected, and the next one connects anew', async () => {
    const { client, state, endWorker } = started();
    const pending = codeOf(client.listModels());
    await client.ping();
    endWorker();
    expect(await pending).toBe('peer-lost');
    await client.ping();
    expect(state.workers).toBe(2);
  });

  test('to a worker that hangs is rejected in the time that a ping may take', async () => {
    const { client, state } = started({ deadAfterMs: 200 });
    await client.ping();
    state.hanging = true;
    const askedAt = performance.now();
    expect(await codeOf(client.listModels())).toBe('peer-lost');
    expect(performance.now() - askedAt).toBeLessThan(3_000);
  });

  test('is refused when nothing answers the connection', async () => {
    const { client } = started({ connect: async () => new MessageChannel().port1, greetingMs: 50 });
    await expect(client.ping()).rejects.toMatchObject({
      code: 'peer-lost',
      message: expect.stringContaining('did not start'),
    });
  });

  test('after hanging up is refused', async () => {
    const { client } = started();
    await client.ping();
    client.close();
    expect(await codeOf(client.ping())).toBe('aborted');
  });
});

describe('a generation', () => {
  test('ends with an error event when the worker ends', async () => {
    const { client, endWorker } = started();
    const reader = (await client.generate(REQUEST)).getReader();
    expect((await reader.read()).value).toEqual(SAID);
    endWorker();
    expect((await reader.read()).value).toMatchObject({ type: 'error', error: { code: 'peer-lost' } });
    expect((await reader.read()).done).toBe(true);
  });

  test('is cancelled at its source when the page cancels it or hangs up', async () => {
    const { client, cancelled } = started();
    await (await client.generate(REQUEST)).cancel();
    await waitFor(() => cancelled.length === 1);
    const reader = (await client.generate(REQUEST)).getReader();
    await reader.read();
    client.close();
    await waitFor(() => cancelled.length === 2);
  });
});

test('a watch goes on with the next worker', async () => {
  const { client, endWorker } = started();
  const reader = (await client.watchStatus()).getReader();
  expect((await reader.read()).value?.selectedModelId).toBe('worker 1');
  endWorker();
  expect((await reader.read()).value?.selectedModelId).toBe('worker 2');
  await reader.cancel();
});
