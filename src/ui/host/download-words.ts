import type { DownloadState } from '../../protocol/host.ts';
import { formatBytes, formatRemaining, formatShare } from '../format.ts';
import { strings } from '../strings.ts';

const words = strings.download;

/** What a download is doing, in words; `now` in milliseconds since 1970. */
export function phaseWords(download: DownloadState, now: number): string {
  switch (download.phase) {
    case 'downloading':
      return words.downloading(download.host);
    case 'retrying': {
      const what = download.bytesDone > 0 ? words.interrupted : words.unbegun;
      const seconds = secondsTo(download, now);
      return seconds > 0 ? words.retryIn(what, formatRemaining(seconds)) : words.retryNow(what);
    }
    default:
      return words[download.phase];
  }
}

/** Bytes, and while they come their speed and the time left. */
export function progressWords(download: DownloadState): string {
  return [
    strings.status.of(formatBytes(download.bytesDone), formatBytes(download.bytesTotal)),
    ...speedWords(download),
  ].join(' · ');
}

/** The same in the few words that the popup has room for. */
export function shortWords(download: DownloadState, now: number): string {
  const { phase, bytesDone, bytesTotal } = download;
  const share = formatShare(bytesDone, bytesTotal);
  if (phase === 'downloading') return [share, ...speedWords(download)].join(' · ');
  const seconds = phase === 'retrying' ? secondsTo(download, now) : 0;
  const state = seconds > 0 ? words.short.retryIn(formatRemaining(seconds)) : words.short[phase];
  return phase === 'queued' ? state : `${share} · ${state}`;
}

/** What the button says that lets a paused or failed one go on: of another file than was asked for, its size. */
export function goOnLabel({ name, phase, anotherSize, bytesTotal }: DownloadState): string {
  if (phase === 'failed') return words.tryAgainNamed(name);
  return anotherSize ? words.buttonNamed(name, formatBytes(bytesTotal)) : words.resumeNamed(name);
}

function speedWords({ phase, bytesPerSecond, secondsLeft }: DownloadState): string[] {
  if (phase !== 'downloading') return [];
  return [
    ...(bytesPerSecond ? [`${formatBytes(bytesPerSecond)}/s`] : []),
    ...(secondsLeft === undefined ? [] : [words.left(formatRemaining(secondsLeft))]),
  ];
}

function secondsTo({ retryAt }: DownloadState, now: number): number {
  return retryAt === undefined ? 0 : Math.max(0, (retryAt - now) / 1_000);
}
