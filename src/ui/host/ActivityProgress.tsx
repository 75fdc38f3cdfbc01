import type { ModelActivity } from '../../protocol/host.ts';
import { formatBytes, formatRemaining } from '../format.ts';
import { strings } from '../strings.ts';

export type Running = Exclude<ModelActivity, { kind: 'none' }>;

/** What is going on with a model: a line of words, a bar, and the way to end it. */
export function ActivityProgress({
  activity,
  name,
  onCancel,
}: {
  activity: Running;
  name: string;
  onCancel: () => void;
}) {
  const { bytesDone, bytesTotal } = activity;
  const known = bytesTotal > 0;
  const share = known ? Math.min(1, bytesDone / bytesTotal) : 0;
  return (
    <div class="activity">
      <div class="activity-line">
        <span class="activity-name">{strings.status[activity.kind](name)}</span>
        <button type="button" class="button small" onClick={onCancel}>
          {strings.status.cancel}
        </button>
      </div>
      <div
        class={known ? 'progress' : 'progress unknown'}
        role="progressbar"
        aria-label={strings.status[activity.kind](name)}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={known ? Math.round(share * 100) : undefined}
      >
        <div style={known ? { width: `${share * 100}%` } : undefined} />
      </div>
      {known && <p class="activity-detail">{detail(activity)}</p>}
    </div>
  );
}

function detail(activity: Running): string {
  const parts = [strings.models.of(formatBytes(activity.bytesDone), formatBytes(activity.bytesTotal))];
  if (activity.kind === 'downloading' && activity.bytesPerSecond > 0) {
    parts.push(`${formatBytes(activity.bytesPerSecond)}/s`);
    const seconds = (activity.bytesTotal - activity.bytesDone) / activity.bytesPerSecond;
    parts.push(strings.models.left(formatRemaining(seconds)));
  }
  return parts.join(' · ');
}
