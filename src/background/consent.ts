import type { AskConsentAnswer, AskConsentMessage } from '../protocol/consent.ts';

const WINDOW = { url: 'src/ui/consent/index.html', type: 'popup', width: 440, height: 520, focused: true } as const;

/** Opens the consent window when the offscreen document, and nobody else, asks for it, and answers when it has been closed. */
export function openConsentWindows(): void {
  chrome.runtime.onMessage.addListener((message: unknown, sender, respond) => {
    const asked = (message as AskConsentMessage | undefined)?.lapis === 'ask-consent';
    const own = sender.id === chrome.runtime.id && sender.origin === `chrome-extension://${chrome.runtime.id}`;
    if (!asked || !own || sender.tab) return false;
    windowClosed().then(
      () => respond('closed' satisfies AskConsentAnswer),
      () => respond('refused' satisfies AskConsentAnswer),
    );
    return true;
  });
}

/** Opens the window and resolves when it is gone; rejects when the browser does not open it. */
async function windowClosed(): Promise<void> {
  // Listens first: the window may be gone again before the browser has said which it was.
  const removed = new Set<number>();
  let look = () => {};
  const note = (id: number) => {
    removed.add(id);
    look();
  };
  chrome.windows.onRemoved.addListener(note);
  try {
    const id = (await chrome.windows.create(WINDOW))?.id;
    if (id === undefined) throw new Error('There is no window.');
    await new Promise<void>((resolve) => {
      look = () => removed.has(id) && resolve();
      look();
    });
  } finally {
    chrome.windows.onRemoved.removeListener(note);
  }
}
