import type { DownloadState } from '../../protocol/host.ts';
import { isUnderWay } from '../../protocol/kept-downloads.ts';
import { harmless } from '../harmless.ts';
import { ActivityProgress } from '../host/ActivityProgress.tsx';
import type { HostState } from '../host/host-state.ts';
import { Notices, useNotices } from '../host/Notices.tsx';
import { Trouble } from '../host/Trouble.tsx';
import { icons } from '../icons.tsx';
import type { Platform } from '../platform/platform.ts';
import { strings } from '../strings.ts';
import { DownloadLine } from './DownloadLine.tsx';

/** The conversation needs the room; the rest are named in one line. */
const SHOWN_DOWNLOADS = 2;

/** What the person should know before they read on: progress, errors, notices. Takes no room while all is well. */
export function StatusArea({ state, platform }: { state: HostState; platform: Platform }) {
  const status = state.status.value;
  const { notices, dismiss } = useNotices(state, platform, [
    status?.kernelNotice,
    status?.softwareAdapter ? strings.status.software : undefined,
    ...state.models.value.map(({ waiting }) => waiting),
  ]);

  const nameOf = (id: string) => state.models.value.find((model) => model.id === id)?.name ?? harmless(id);
  const activity = status?.activity;
  const running = activity && activity.kind !== 'none' ? activity : undefined;
  const downloads = [...(status?.downloads ?? [])].sort((a, b) => rank(a) - rank(b));
  const suspect = status?.suspect;
  const unreachable = state.unreachable.value;
  const error = unreachable?.toPayload() ?? status?.error;
  // Where the conversation shows the same sentence it also offers to answer again.
  const inConversation = error !== undefined && error.message === state.chat.value?.error?.message;
  const showsError = error && error.code !== 'aborted' && !running && !inConversation;
  if (!running && !showsError && !suspect && downloads.length === 0 && notices.length === 0) return null;
  const more = downloads.length - SHOWN_DOWNLOADS;
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
      {suspect && (
        <div class="callout warn" role="alert">
          {icons.warning}
          <span>{suspect}</span>
        </div>
      )}
      {downloads.slice(0, SHOWN_DOWNLOADS).map((download) => (
        <DownloadLine
          key={download.modelId}
          download={download}
          onPause={() => state.attempt(() => state.host.pauseDownload(download.modelId))}
          onResume={() => state.attempt(() => state.host.resumeDownload(download.modelId))}
          onSettings={() => platform.openSettings()}
        />
      ))}
      {more > 0 && (
        <button type="button" class="link" onClick={() => platform.openSettings()}>
          {strings.download.others(more)}
        </button>
      )}
      {notices.length > 0 && (
        <Notices notices={notices} onDismiss={dismiss} onEmpty={() => document.querySelector('textarea')?.focus()} />
      )}
    </div>
  );
}

/** What comes now stands before what waits for the person. */
function rank(download: DownloadState): number {
  if (download.phase === 'failed') return 0;
  return isUnderWay(download) ? 1 : 2;
}
