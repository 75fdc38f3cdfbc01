import type { AwakeMessage, DoorPort } from '../protocol/door.ts';
import { DOOR_PREFIX, DOOR_VERSION, isWake } from '../protocol/door.ts';
import type { RelayAnswer, RelayOpening } from '../protocol/door-relay.ts';
import { doorSender, RELAY_PORT } from '../protocol/door-relay.ts';
import { LapisError } from '../protocol/errors.ts';
import { ensureOffscreenDocument } from './offscreen-document.ts';

/** Messages that a client may send before the offscreen document is there; more would be kept for nobody. */
const EARLY_MESSAGES = 16;

/**
 * Wakes Lapis for strangers. The ports themselves end in the offscreen document; only one that was opened before that existed is
 * passed on from here, for as long as the service worker lives (each message prolongs that).
 */
export function openDoors(): void {
  chrome.runtime.onMessageExternal.addListener(answerWake);
  chrome.runtime.onMessage.addListener(answerWake);
  chrome.runtime.onConnectExternal.addListener((port) => void relayIfCold(port, true));
  chrome.runtime.onConnect.addListener((port) => void relayIfCold(port, false));
}

function answerWake(
  message: unknown,
  _sender: chrome.runtime.MessageSender,
  respond: (answer: AwakeMessage) => void,
): boolean {
  if (!isWake(message)) return false;
  ensureOffscreenDocument().then(
    () => respond({ lapis: 'awake', versions: [DOOR_VERSION] }),
    // The client then connects, and hears on its port what is wrong.
    () => respond({ lapis: 'awake', versions: [DOOR_VERSION] }),
  );
  return true;
}

async function relayIfCold(client: chrome.runtime.Port, external: boolean): Promise<void> {
  if (!client.name.startsWith(DOOR_PREFIX)) return;
  const early: unknown[] = [];
  let pass = (message: unknown): void => {
    if (early.length < EARLY_MESSAGES) early.push(message);
  };
  let hangUp = (): void => {};
  let gone = false;
  client.onMessage.addListener((message: unknown) => pass(message));
  client.onDisconnect.addListener(() => {
    gone = true;
    hangUp();
  });
  const opening: RelayOpening = {
    openedAt: Date.now(),
    external,
    name: client.name,
    sender: doorSender(client.sender),
  };

  try {
    await ensureOffscreenDocument();
  } catch (error) {
    client.postMessage({ type: 'error', error: LapisError.from(error).toPayload() });
    client.disconnect();
    return;
  }
  if (gone) return;
  const relay: DoorPort = chrome.runtime.connect({ name: RELAY_PORT });
  hangUp = () => relay.disconnect();
  relay.onDisconnect.addListener(() => client.disconnect());
  const answered = (answer: unknown) => {
    relay.onMessage.removeListener(answered);
    if ((answer as RelayAnswer).lapis === 'direct') {
      // The document has the client's port itself. Disconnecting this end of it would close the whole port.
      hangUp = () => {};
      pass = () => {};
      relay.disconnect();
      return;
    }
    relay.onMessage.addListener((message) => client.postMessage(message));
    pass = (message) => relay.postMessage(message);
    for (const message of early) pass(message);
  };
  relay.onMessage.addListener(answered);
  relay.postMessage(opening);
}
