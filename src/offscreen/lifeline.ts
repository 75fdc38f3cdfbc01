import type { DownloadBadge } from '../protocol/download-badge.ts';
import type { ErrorPayload } from '../protocol/errors.ts';

/*
 * The port between the offscreen document and its engine worker. The document asks at intervals, and before it hands a page's port
 * over; the worker answers, says once that it is ready or cannot be, and what the toolbar icon is to show.
 */

/** Sent once to the engine worker, with the port. */
export interface LifelineMessage {
  lapis: 'lifeline';
}

/** What the worker says on it. `lock` is held while it lives. `idle`: no page is connected and nothing is being done. */
export type LifelineAnswer =
  | { type: 'ready'; lock: string }
  | { type: 'failed'; error: ErrorPayload }
  | { type: 'alive'; idle: boolean }
  /** What the toolbar icon is to show of the downloads, whenever that changes, at most about once a second. */
  | { type: 'badge'; badge?: DownloadBadge };
