import type { DownloadState } from '../../protocol/host.ts';
import { isUnderWay } from '../../protocol/kept-downloads.ts';
import { goOnLabel, phaseWords, shortWords } from '../host/download-words.ts';
import { Name } from '../host/Name.tsx';
import { ProgressBar } from '../host/ProgressBar.tsx';
import { sentence } from '../host/Trouble.tsx';
import { useNow } from '../host/useNow.ts';
import { icons } from '../icons.tsx';
import { strings } from '../strings.ts';

interface DownloadLineProps {
  download: DownloadState;
  onPause: () => void;
  onResume: () => void;
  onSettings: () => void;
}

const words = strings.download;

/** A download in one line, and the reason if it stopped. What is more to say stands in the settings, a click on its name away. */
export function DownloadLine({ download, onPause, onResume, onSettings }: DownloadLineProps) {
  const { name, phase, bytesDone, bytesTotal, error, notice } = download;
  const now = useNow(phase === 'retrying');
  const still = !isUnderWay(download);
  const failed = phase === 'failed';
  const label = still ? goOnLabel(download) : words.pauseNamed(name);
  return (
    <div class="download-line">
      <button type="button" class="download-name" title={phaseWords(download, now)} onClick={onSettings}>
        <Name>{name}</Name>
      </button>
      <span class={failed ? 'download-state bad' : 'download-state'}>{shortWords(download, now)}</span>
      {phase !== 'preparing' && (
        <button type="button" class="icon-button" title={label} aria-label={label} onClick={still ? onResume : onPause}>
          {failed ? icons.retry : still ? icons.play : icons.pause}
        </button>
      )}
      <ProgressBar label={words.bar(name)} done={bytesDone} total={bytesTotal} still={still || phase === 'queued'} />
      {phase === 'paused' && notice && <p class="download-reason">{notice}</p>}
      {failed && error && <p class="download-reason">{sentence(error.message)}</p>}
    </div>
  );
}
