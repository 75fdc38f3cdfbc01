import { LapisError } from '../protocol/errors.ts';
import type { ConnectMessage, Greeting } from '../protocol/host-channel.ts';
import { isMessage } from '../protocol/host-channel.ts';
import { ensureOffscreenDocument } from './offscreen-document.ts';
import { scope } from './service-worker-scope.ts';

/** Hands the ports of our own pages on to the offscreen document; after that the service worker may die. */
export function routePages(): void {
  scope.addEventListener('message', (event) => {
    const [port] = event.ports;
    if (port && isMessage<ConnectMessage>(event.data, 'connect')) event.waitUntil(introduce(port, event.data));
  });
}

async function introduce(port: MessagePort, message: ConnectMessage): Promise<void> {
  try {
    const client = await ensureOffscreenDocument();
    client.postMessage(message, [port]);
  } catch (error) {
    port.postMessage({ lapis: 'refused', error: LapisError.from(error).toPayload() } satisfies Greeting);
  }
}
