import type { DownloadState } from './host.ts';

/*
 * What the toolbar icon says of the downloads. The engine worker knows, the offscreen document passes it on, and the service worker
 * alone may touch the icon.
 */

/** The name of the runtime port from the offscreen document. */
export const BADGE_PORT = 'badge';

/** The download that matters most, as the icon shows it. */
export interface DownloadBadge {
  state: 'downloading' | 'preparing' | 'paused' | 'failed';
  /** Of the model. */
  name: string;
  /** Of the bytes, rounded down: 100 only when all are there. */
  percent: number;
}

/** From the offscreen document: the badge as it now is, at most about once a second; none clears the icon. */
export interface BadgeMessage {
  badge?: DownloadBadge;
}

/** A message on the badge port that comes, at the latest, so long after the one before keeps the service worker alive. */
export const BADGE_HEARTBEAT_MS = 20_000;

/** Whether a badge is of a download that goes on, so that somebody must see to it that it does. */
export function isWorking(badge: DownloadBadge | undefined): boolean {
  return badge?.state === 'downloading' || badge?.state === 'preparing';
}

/** What works comes first, then what needs the person. */
const BADGE_ORDER: readonly DownloadState['phase'][] = [
  'downloading',
  'retrying',
  'preparing',
  'queued',
  'failed',
  'paused',
];

/** What the icon is to say of these downloads. */
export function badgeOf(downloads: readonly DownloadState[]): DownloadBadge | undefined {
  for (const phase of BADGE_ORDER) {
    const download = downloads.find((candidate) => candidate.phase === phase);
    if (!download) continue;
    const { name, bytesDone, bytesTotal } = download;
    const percent = bytesTotal > 0 ? Math.min(100, Math.floor((bytesDone / bytesTotal) * 100)) : 0;
    return { state: phase === 'queued' || phase === 'retrying' ? 'downloading' : phase, name, percent };
  }
  return undefined;
}
