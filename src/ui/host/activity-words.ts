import type { ModelActivity } from '../../protocol/host.ts';
import { formatBytes } from '../format.ts';
import { strings } from '../strings.ts';

export type Running = Exclude<ModelActivity, { kind: 'none' }>;

const words = strings.status;

/** Whether every byte was read and the rest is the GPU's: compiling, and for a known model its first answer. */
export function isRead({ kind, bytesDone, bytesTotal }: Running): boolean {
  return (kind === 'loading' || kind === 'probing') && bytesTotal > 0 && bytesDone >= bytesTotal;
}

/** What is being done, to stand before a model's name. */
export function activityWords(activity: Running): string {
  return words.activity[phaseOf(activity)];
}

/** The same without a name. */
export function shortActivityWords(activity: Running): string {
  return activity.cancelling ? words.cancelling : words.short[phaseOf(activity)];
}

/** How far it is, or why there is nothing to count. */
export function activityDetail(activity: Running): string {
  const { bytesDone, bytesTotal, cancelling } = activity;
  if (cancelling) return words.cancellingText;
  if (isRead(activity)) return words.preparingText;
  return bytesTotal > 0 ? words.of(formatBytes(bytesDone), formatBytes(bytesTotal)) : '';
}

function phaseOf(activity: Running): keyof typeof words.activity {
  return activity.kind === 'loading' && isRead(activity) ? 'preparing' : activity.kind;
}
