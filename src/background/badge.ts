import { get, set } from 'idb-keyval';
import type { BadgeMessage, DownloadBadge } from '../protocol/download-badge.ts';
import { BADGE_PORT, isWorking } from '../protocol/download-badge.ts';
import { isDownloadWanted } from '../protocol/kept-downloads.ts';
import { ensureOffscreenDocument } from './offscreen-document.ts';

/** Under which the last badge is kept: a browser that starts again has forgotten it, and a paused download tells nobody. */
const BADGE_KEY = 'badge';

/** How each state looks: about four characters fit. The colours are those of the pages (src/ui/style). */
const LOOKS: Record<
  DownloadBadge['state'],
  { text: (badge: DownloadBadge) => string; color: string; message: string }
> = {
  downloading: { text: ({ percent }) => `${percent}%`, color: '#2449a8', message: 'badgeDownloading' },
  preparing: { text: () => '•••', color: '#2449a8', message: 'badgePreparing' },
  paused: { text: () => 'II', color: '#626b82', message: 'badgePaused' },
  failed: { text: () => '!', color: '#b3261e', message: 'badgeFailed' },
};

/**
 * Shows the downloads on the toolbar icon, and sees to it that they go on: after a start of the browser, and when the offscreen
 * document that worked on one has died.
 */
export function showDownloads(): void {
  chrome.runtime.onConnect.addListener((port) => {
    const own = port.sender?.id === chrome.runtime.id && !port.sender.tab;
    if (port.name !== BADGE_PORT || !own) return;
    let last: DownloadBadge | undefined;
    port.onMessage.addListener(({ badge }: BadgeMessage) => {
      last = badge;
      show(badge);
      // Only for the next start of the browser.
      set(BADGE_KEY, badge).catch(() => {});
    });
    port.onDisconnect.addListener(() => {
      if (isWorking(last)) goOn();
    });
  });
  // Chrome starts the service worker for these two; what there is to do is done here, at every one of its starts.
  chrome.runtime.onStartup.addListener(() => restoreBadge());
  chrome.runtime.onInstalled.addListener(() => restoreBadge());
  goOn();
}

/** Creates the document, which finds its work itself. A failure is for the next start: nobody is there to be told. */
function goOn(): void {
  const start = async () => {
    if (await isDownloadWanted()) await ensureOffscreenDocument();
  };
  start().catch(() => {});
}

function restoreBadge(): void {
  get<DownloadBadge>(BADGE_KEY).then(
    // What worked when the browser ended is shown again when it works again.
    (badge) => show(isWorking(badge) ? undefined : badge),
    () => {},
  );
}

function show(badge: DownloadBadge | undefined): void {
  const { action, i18n } = chrome;
  if (!badge) {
    void action.setBadgeText({ text: '' });
    void action.setTitle({ title: i18n.getMessage('shortName') });
    return;
  }
  const { text, color, message } = LOOKS[badge.state];
  void action.setBadgeBackgroundColor({ color });
  void action.setBadgeTextColor({ color: '#ffffff' });
  void action.setBadgeText({ text: text(badge) });
  void action.setTitle({ title: i18n.getMessage(message, [badge.name, String(badge.percent)]) });
}
