import type { ModelActivity } from '../../protocol/host.ts';
import { formatBytes } from '../format.ts';
import { harmless } from '../harmless.ts';
import { strings } from '../strings.ts';
import { Name } from './Name.tsx';
import { ProgressBar } from './ProgressBar.tsx';

export type Running = Exclude<ModelActivity, { kind: 'none' }>;

/** What is being done with a model: words, a bar, and the way to end it. The name is left out where it stands above. */
export function ActivityProgress({
  activity,
  name,
  onCancel,
}: {
  activity: Running;
  name?: string;
  onCancel: () => void;
}) {
  const { kind, modelId, bytesDone, bytesTotal } = activity;
  const words = strings.status.activity[kind];
  return (
    <div class="activity">
      <div class="activity-line">
        <span class="activity-name">
          {words}
          {name !== undefined && ' '}
          {name !== undefined && <Name>{name}</Name>}
        </span>
        <button type="button" class="button small" onClick={onCancel}>
          {strings.status.cancel}
        </button>
      </div>
      <ProgressBar label={`${words} ${name ?? harmless(modelId)}`} done={bytesDone} total={bytesTotal} />
      {bytesTotal > 0 && (
        <p class="activity-detail">{strings.status.of(formatBytes(bytesDone), formatBytes(bytesTotal))}</p>
      )}
    </div>
  );
}
