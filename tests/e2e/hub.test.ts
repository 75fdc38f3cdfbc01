import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { expect, test } from 'vitest';
import { PLAIN_HOST, startHub } from './hub.ts';

test('the connections that were held are broken, and no later one', { timeout: 30_000 }, async () => {
  const hub = await startHub();
  try {
    const content = new Uint8Array(100);
    hub.serve(`https://${PLAIN_HOST}/a.gguf`, { content, stallAt: 40 });
    const [address] = /127\.0\.0\.1:\d+/.exec(hub.browserArgs.join()) ?? [];
    const headers = { host: PLAIN_HOST, range: 'bytes=10-' };
    const asked = get(`https://${address}/a.gguf`, { headers, rejectUnauthorized: false });
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    response.on('error', () => {});
    await once(response, 'data');
    const breakHeld = hub.holdConnections();
    const second = get(`https://${address}/a.gguf`, { headers, rejectUnauthorized: false });
    const [spared] = (await once(second, 'response')) as [IncomingMessage];
    spared.on('error', () => {});
    const closed = new Promise<void>((resolve) => response.on('close', () => resolve()));
    breakHeld();
    await closed;
    expect(response.complete).toBe(false);
    const ended = new Promise<void>((resolve) => spared.on('close', () => resolve()));
    hub.serve(`https://${PLAIN_HOST}/a.gguf`, { content });
    spared.resume();
    await ended;
    expect(spared.complete).toBe(true);
  } finally {
    await hub.close();
  }
});
