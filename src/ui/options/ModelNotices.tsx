import type { HostState } from '../host/host-state.ts';
import { Notices, useNotices } from '../host/Notices.tsx';
import type { Platform } from '../platform/platform.ts';
import { strings } from '../strings.ts';

interface ModelNoticesProps {
  state: HostState;
  platform: Platform;
  onEmpty: () => void;
}

/** What happened to the models without the person's doing, until it was read. */
export function ModelNotices({ state, platform, onEmpty }: ModelNoticesProps) {
  const { notices, dismiss } = useNotices(state, platform, [state.status.value?.kernelNotice]);
  if (notices.length === 0) return null;
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
