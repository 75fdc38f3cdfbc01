import type { BadgeMessage, DownloadBadge } from '../protocol/download-badge.ts';
import { BADGE_HEARTBEAT_MS, BADGE_PORT, isWorking } from '../protocol/download-badge.ts';

/**
 * Passes on what the toolbar icon is to show. The port wakes the service worker; while a download works it is used often enough to
 * keep the service worker alive, which then sees at once when this document dies, and starts it anew.
 */
export function badgeReporter(): (badge: DownloadBadge | undefined) => void {
  let port: chrome.runtime.Port | undefined;
  let heartbeat: ReturnType<typeof setInterval> | undefined;

  const connected = (): chrome.runtime.Port => {
    if (port) return port;
    const opened = chrome.runtime.connect({ name: BADGE_PORT });
    opened.onDisconnect.addListener(() => {
      if (port === opened) port = undefined;
    });
    port = opened;
    return opened;
  };

  return (badge) => {
    const send = () => connected().postMessage({ badge } satisfies BadgeMessage);
    clearInterval(heartbeat);
    send();
    if (isWorking(badge)) heartbeat = setInterval(send, BADGE_HEARTBEAT_MS);
  };
}
