import { useSignal } from '@preact/signals';
import { harmless } from '../harmless.ts';
import { strings } from '../strings.ts';
import type { Running } from './activity-words.ts';
import { activityDetail, activityWords, isRead } from './activity-words.ts';
import { Name } from './Name.tsx';
import { ProgressBar } from './ProgressBar.tsx';

/** What is being done with a model: words, a bar, and the way to end it. The name is left out where it stands above. */
export function ActivityProgress({
  activity,
  name,
  onCancel,
}: {
  activity: Running;
  name?: string;
  /** Resolves when it has ended. */
  onCancel: () => Promise<unknown>;
}) {
  // A worker that is busy takes a second or two to say so itself.
  const asked = useSignal(false);
  const { modelId, bytesDone, bytesTotal } = activity;
  const cancelling = activity.cancelling || asked.value;
  const words = activityWords(activity);
  const detail = activityDetail(cancelling ? { ...activity, cancelling } : activity);
  const cancel = async () => {
    if (cancelling) return;
    asked.value = true;
    await onCancel();
    asked.value = false;
  };
  return (
    <div class="activity">
      <div class="activity-line">
        <span class="activity-name">
          {words}
          {name !== undefined && ' '}
          {name !== undefined && <Name>{name}</Name>}
        </span>
        {/* It keeps the keyboard's place, so it is not taken away from it. */}
        <button type="button" class="button small" aria-disabled={cancelling} onClick={cancel}>
          {cancelling ? strings.status.cancelling : strings.status.cancel}
        </button>
      </div>
      <ProgressBar
        label={`${words} ${name ?? harmless(modelId)}`}
        done={bytesDone}
        total={isRead(activity) && !cancelling ? 0 : bytesTotal}
        still={cancelling}
      />
      {detail && <p class="activity-detail">{detail}</p>}
    </div>
  );
}
