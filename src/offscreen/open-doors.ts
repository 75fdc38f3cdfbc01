import type { AskConsentAnswer, AskConsentMessage } from '../protocol/consent.ts';
import { openConsents } from '../protocol/consent.ts';
import { createHostClient } from '../protocol/host-client.ts';
import { Doors } from './doors.ts';

/**
 * Opens the doors of this document. Must be called before its first await: a port that arrives earlier is lost.
 *
 * @param connectEngine hands a port to the engine worker
 */
export function openDoors(connectEngine: (port: MessagePort) => void): Doors {
  const doors = new Doors(
    {
      consents: openConsents(),
      openHost: () =>
        createHostClient({
          connect: async () => {
            const { port1, port2 } = new MessageChannel();
            connectEngine(port2);
            return port1;
          },
        }),
      async openConsentWindow() {
        const answer: AskConsentAnswer | undefined = await chrome.runtime.sendMessage({
          lapis: 'ask-consent',
        } satisfies AskConsentMessage);
        if (answer !== 'closed') throw new Error('The browser refused to open the window.');
      },
    },
    chrome.runtime.id,
    // The document's doors are open for as long as it lives.
    new AbortController().signal,
  );
  chrome.runtime.onConnect.addListener((port) => doors.connect(port));
  chrome.runtime.onConnectExternal.addListener((port) => doors.connectExternal(port));
  return doors;
}
