import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { formatBytes } from '../format.ts';
import { strings } from '../strings.ts';

/** How much disk Lapis uses; measured anew whenever `changes` is another string. */
export function StorageLine({ changes }: { changes: string }) {
  const estimate = useSignal<StorageEstimate>({});
  useEffect(() => {
    navigator.storage.estimate().then((next) => {
      estimate.value = next;
    });
  }, [changes]);
  const { usage, quota } = estimate.value;
  if (usage === undefined) return null;
  const free = quota === undefined ? '' : `, ${strings.models.free(formatBytes(quota - usage))}`;
  return (
    <p class="quiet storage">
      {strings.models.used(formatBytes(usage))}
      {free}
    </p>
  );
}
