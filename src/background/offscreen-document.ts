import { LapisError } from '../protocol/errors.ts';
import type { HelloMessage } from '../protocol/host-channel.ts';
import type { WindowClient } from './service-worker-scope.ts';
import { scope } from './service-worker-scope.ts';

const PAGE = 'src/offscreen/offscreen.html';

/** A document that says nothing for this long is closed and created anew. */
const HELLO_TIMEOUT_MS = 5_000;

let opening: Promise<WindowClient> | undefined;

/**
 * The offscreen document, created when it is not there and created anew when it no longer answers. Callers at the same time
 * share one attempt, since Chrome allows one document only and refuses a second.
 *
 * @throws LapisError `peer-lost` when no document can be had
 */
export function ensureOffscreenDocument(): Promise<WindowClient> {
  opening ??= open().finally(() => {
    opening = undefined;
  });
  return opening;
}

async function open(): Promise<WindowClient> {
  for (let attempt = 0; attempt < 2; attempt++) {
    if (!(await exists())) await create();
    const client = await find();
    if (client && (await answers(client))) return client;
    await chrome.offscreen.closeDocument().catch(() => {});
  }
  throw new LapisError('peer-lost', 'The engine did not start: its document does not answer.');
}

async function exists(): Promise<boolean> {
  const contexts = await chrome.runtime.getContexts({
    contextTypes: ['OFFSCREEN_DOCUMENT' as chrome.runtime.ContextType],
  });
  return contexts.length > 0;
}

async function create(): Promise<void> {
  await chrome.offscreen.createDocument({
    url: PAGE,
    reasons: ['WORKERS' as chrome.offscreen.Reason],
    justification: 'Runs the worker that owns the GPU and answers prompts.',
  });
}

async function find(): Promise<WindowClient | undefined> {
  const url = chrome.runtime.getURL(PAGE);
  const clients = await scope.clients.matchAll({ includeUncontrolled: true, type: 'all' });
  return clients.find((client) => client.url === url);
}

function answers(client: WindowClient): Promise<boolean> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    const settle = (alive: boolean) => {
      clearTimeout(timer);
      port1.close();
      resolve(alive);
    };
    const timer = setTimeout(() => settle(false), HELLO_TIMEOUT_MS);
    port1.onmessage = () => settle(true);
    client.postMessage({ lapis: 'hello' } satisfies HelloMessage, [port2]);
  });
}
