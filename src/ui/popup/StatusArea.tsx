import { useComputed } from '@preact/signals';
import { ActivityProgress } from '../host/ActivityProgress.tsx';
import type { HostState } from '../host/host-state.ts';
import { Trouble } from '../host/Trouble.tsx';
import { icons } from '../icons.tsx';
import type { Platform } from '../platform/platform.ts';
import { strings } from '../strings.ts';
import { useKept } from './useKept.ts';

/** What the person should know before they read on: progress, errors, notices. Takes no room while all is well. */
export function StatusArea({ state, platform }: { state: HostState; platform: Platform }) {
  const dismissed = useKept<string[]>(platform, 'dismissed-notices', []);
  const status = state.status.value;
  const notices = useComputed(() => {
    const current = state.status.value;
    if (!current) return [];
    const all = [...current.notices, ...(current.softwareAdapter ? [strings.status.software] : [])];
    return all.filter((notice) => !dismissed.value.includes(notice));
  });

  const nameOf = (id: string) => state.models.value.find((model) => model.id === id)?.name ?? id;
  const activity = status?.activity;
  const running = activity && activity.kind !== 'none' ? activity : undefined;
  const unreachable = state.unreachable.value;
  const error = unreachable?.toPayload() ?? status?.error;
  // Where the conversation shows the same sentence it also offers to answer again.
  const inConversation = error !== undefined && error.message === state.chat.value?.error?.message;
  const showsError = error && error.code !== 'aborted' && !running && !inConversation;
  if (!running && !showsError && notices.value.length === 0) return null;
  return (
    <div class="status-area">
      {running && (
        <ActivityProgress
          activity={running}
          name={nameOf(running.modelId)}
          onCancel={() => state.attempt(() => state.host.cancelModelActivity())}
        />
      )}
      {showsError && (
        <Trouble error={error}>
          <button
            type="button"
            class="button small"
            onClick={() =>
              unreachable || !status
                ? state.reconnect()
                : state.attempt(() => state.host.selectModel(status.selectedModelId))
            }
          >
            {strings.status.tryAgain}
          </button>
        </Trouble>
      )}
      {notices.value.map((notice) => (
        <div key={notice} class="callout warn" role="status">
          <span>{notice}</span>
          <button
            type="button"
            class="icon-button"
            title={strings.chat.dismiss}
            aria-label={strings.chat.dismiss}
            onClick={() => {
              dismissed.value = [...dismissed.value, notice];
              // The button goes away with its notice; the keyboard's place is then the input.
              document.querySelector('textarea')?.focus();
            }}
          >
            {icons.close}
          </button>
        </div>
      ))}
    </div>
  );
}
