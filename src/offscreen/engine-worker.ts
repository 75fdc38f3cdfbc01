import { badgeOf } from '../protocol/download-badge.ts';
import { LapisError } from '../protocol/errors.ts';
import type { LapisHost } from '../protocol/host.ts';
import type { ConnectMessage } from '../protocol/host-channel.ts';
import { holdLock, isMessage } from '../protocol/host-channel.ts';
import { serveHost } from '../protocol/host-server.ts';
import { CATALOGUE } from '../storage/catalogue.ts';
import { openOpfs } from '../storage/opfs.ts';
import type { EngineHost } from './engine-host.ts';
import { openEngineHost } from './engine-host.ts';
import { indexedDbKeyValue } from './key-value.ts';
import type { LifelineAnswer, LifelineMessage } from './lifeline.ts';
import { gpuBytes, startModel } from './start-model.ts';

/* The engine worker: the only context that owns the GPU device, the conversation and the handles of stored weights. */

const lock = `lapis-engine-${crypto.randomUUID()}`;
const opening = Promise.all([open(), holdLock(lock)]);
let connections = 0;

/** A toolbar icon that changes more often tells nobody more. */
const BADGE_EVERY_MS = 1_000;

addEventListener('message', (event: MessageEvent) => {
  const [port] = event.ports;
  if (!port) return;
  if (isMessage<LifelineMessage>(event.data, 'lifeline')) void stayInTouch(port);
  else if (isMessage<ConnectMessage>(event.data, 'connect')) void serve(port, event.data);
});

async function open(): Promise<EngineHost> {
  const packageUrl = (path: string) => new URL(`/${path}`, self.location.origin).href;
  const storage = { files: await openOpfs(), packageUrl };
  return openEngineHost({ storage, catalogue: CATALOGUE, keyValue: indexedDbKeyValue, start: startModel, gpuBytes });
}

async function stayInTouch(lifeline: MessagePort): Promise<void> {
  const say = (answer: LifelineAnswer) => lifeline.postMessage(answer);
  let busy = () => true;
  lifeline.onmessage = () => say({ type: 'alive', idle: connections === 0 && !busy() });
  try {
    const [host] = await opening;
    busy = () => host.busy();
    say({ type: 'ready', lock });
    void reportBadge(host, say);
  } catch (error) {
    say({ type: 'failed', error: LapisError.from(error).toPayload() });
  }
}

async function reportBadge(host: LapisHost, say: (answer: LifelineAnswer) => void): Promise<void> {
  let said: string | undefined;
  for (const reader = (await host.watchStatus()).getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return;
    const badge = badgeOf(value.downloads);
    const text = JSON.stringify(badge) ?? '';
    if (text !== said) say({ type: 'badge', badge });
    said = text;
    // What changes meanwhile is in the next status.
    await new Promise((resolve) => setTimeout(resolve, BADGE_EVERY_MS));
  }
}

async function serve(port: MessagePort, { lock: pageLock }: ConnectMessage): Promise<void> {
  const [host] = await opening;
  connections++;
  serveHost(host, port, {
    lock,
    pageLock,
    onEnd: () => {
      connections--;
    },
  });
}
