import { get } from 'idb-keyval';
import type { DownloadState } from './host.ts';

/*
 * Downloads outlive the contexts that work on them. The engine worker keeps which there are; the offscreen document and the service
 * worker only ask whether one is to go on, and start what it needs.
 */

/** Under which they are kept, as KeptDownload[] in idb-keyval's own store. */
export const DOWNLOADS_KEY = 'downloads';

/** What contexts that know nothing of models read of one: without a pause it is to go on by itself. */
export interface KeptDownload {
  paused: boolean;
}

/** Whether a download goes on until it is stored, as far as it can. */
export function isUnderWay({ phase }: Pick<DownloadState, 'phase'>): boolean {
  return phase !== 'paused' && phase !== 'failed';
}

/** Whether a download is to go on, whatever has become of the contexts that worked on it. */
export async function isDownloadWanted(): Promise<boolean> {
  const kept = await get<KeptDownload[]>(DOWNLOADS_KEY);
  return kept?.some(({ paused }) => !paused) ?? false;
}
