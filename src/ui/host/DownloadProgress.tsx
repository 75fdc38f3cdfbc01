import { useSignal } from '@preact/signals';
import type { DownloadState } from '../../protocol/host.ts';
import { isUnderWay } from '../../protocol/kept-downloads.ts';
import { formatBytes } from '../format.ts';
import { icons } from '../icons.tsx';
import { strings } from '../strings.ts';
import { goOnLabel, phaseWords, progressWords } from './download-words.ts';
import { ProgressBar } from './ProgressBar.tsx';
import { Question } from './Question.tsx';
import { sentence, Trouble } from './Trouble.tsx';
import { useNow } from './useNow.ts';

/** Less than this is fetched again in seconds: cancelling it needs no question. */
const A_LITTLE_BYTES = 10_000_000;

interface DownloadProgressProps {
  download: DownloadState;
  onPause: () => void;
  onResume: () => void;
  onCancel: () => void;
}

const words = strings.download;

/** One download: what it is doing, how far it is, why it stopped, and what the person can do about it. */
export function DownloadProgress({ download, onPause, onResume, onCancel }: DownloadProgressProps) {
  const asking = useSignal(false);
  const now = useNow(download.phase === 'retrying');
  const { name, phase, bytesDone, bytesTotal, anotherSize, error, notice } = download;
  const goesOn = phase === 'paused' || phase === 'failed';
  return (
    <div class={`activity ${phase}`}>
      <div class="activity-line">
        <span class="activity-name">{phaseWords(download, now)}</span>
        <span class="activity-detail">{progressWords(download)}</span>
      </div>
      <ProgressBar
        label={words.bar(name)}
        done={bytesDone}
        total={bytesTotal}
        still={!isUnderWay(download) || phase === 'queued'}
      />
      <p class="visually-hidden" role="status">
        {/* Without the seconds, which would be read out one by one. */}
        {words.announced(name, phaseWords({ ...download, retryAt: undefined }, now))}
      </p>
      {phase === 'preparing' && <p class="quiet">{words.preparingText}</p>}
      {notice && <p class="callout">{notice}</p>}
      {phase === 'retrying' && error && <p class="quiet">{sentence(error.message)}</p>}
      {goesOn && error && <Trouble error={error} />}
      {goesOn && keepsBytes(download) && <p class="quiet">{words.kept}</p>}
      {asking.value ? (
        <Question
          yes={words.cancelSure}
          no={words.goOn}
          onYes={() => {
            asking.value = false;
            onCancel();
          }}
          onNo={() => {
            asking.value = false;
          }}
        >
          {words.cancelAsk(formatBytes(bytesDone))}
        </Question>
      ) : (
        <div class="actions">
          {goesOn ? (
            <button type="button" class="button small primary" aria-label={goOnLabel(download)} onClick={onResume}>
              {phase === 'failed' ? icons.retry : anotherSize ? icons.download : icons.play}
              {phase === 'failed' ? words.tryAgain : anotherSize ? words.button(formatBytes(bytesTotal)) : words.resume}
            </button>
          ) : (
            phase !== 'preparing' && (
              <button type="button" class="button small" aria-label={words.pauseNamed(name)} onClick={onPause}>
                {icons.pause}
                {words.pause}
              </button>
            )
          )}
          <button
            type="button"
            class="button small"
            aria-label={words.cancelNamed(name)}
            onClick={() => {
              if (bytesDone > A_LITTLE_BYTES) asking.value = true;
              else onCancel();
            }}
          >
            {words.cancel}
          </button>
        </div>
      )}
    </div>
  );
}

/** Bytes that turned out to be wrong, or another model's, are not kept. */
function keepsBytes({ bytesDone, error }: DownloadState): boolean {
  return bytesDone > 0 && (error === undefined || error.code === 'network' || error.code === 'quota');
}
