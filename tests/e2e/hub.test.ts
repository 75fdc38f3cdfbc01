import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { expect, test } from 'vitest';
import { PLAIN_HOST, startHub } from './hub.ts';

test('what is still being sent is named when its end is waited for in vain', async () => {
  const hub = await startHub();
  try {
    hub.serve(`https://${PLAIN_HOST}/a.gguf`, { content: new Uint8Array(100), stallAt: 40 });
    const [address] = /127\.0\.0\.1:\d+/.exec(hub.browserArgs.join()) ?? [];
    const headers = { host: PLAIN_HOST, range: 'bytes=10-' };
    const asked = get(`https://${address}/a.gguf`, { headers, rejectUnauthorized: false });
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    response.on('error', () => {});
    await once(response, 'data');
    await expect(hub.ended(50)).rejects.toThrow('Not ended within 0.05 s: GET /a.gguf bytes=10-, 30 sent.');
    const ended = hub.ended();
    response.destroy();
    await ended;
  } finally {
    await hub.close();
  }
});
