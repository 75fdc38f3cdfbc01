import type { HostStatus } from '../../protocol/host.ts';
import { Notices, useDismissed } from '../host/Notices.tsx';
import type { Platform } from '../platform/platform.ts';
import { strings } from '../strings.ts';

interface ModelNoticesProps {
  status: HostStatus | undefined;
  platform: Platform;
  onEmpty: () => void;
}

/** What happened to the models without the person's doing, until it was read. */
export function ModelNotices({ status, platform, onEmpty }: ModelNoticesProps) {
  const dismissed = useDismissed(platform);
  const notices = status?.notices.filter((notice) => !dismissed.value.includes(notice)) ?? [];
  if (notices.length === 0) return null;
  const dismiss = (read: readonly string[]) => {
    dismissed.value = [...dismissed.value, ...read];
  };
  return (
    <div class="changes">
      <div class="group-head">
        <h3>{strings.notices.title}</h3>
        {notices.length > 1 && (
          <button
            type="button"
            class="button small plain"
            onClick={() => {
              dismiss(notices);
              onEmpty();
            }}
          >
            {strings.notices.dismissAll}
          </button>
        )}
      </div>
      <Notices notices={notices} onDismiss={dismiss} onEmpty={onEmpty} />
    </div>
  );
}
