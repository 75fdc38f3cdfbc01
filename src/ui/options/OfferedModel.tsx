import type { DownloadState, ModelEntry } from '../../protocol/host.ts';
import { formatBytes } from '../format.ts';
import { DownloadProgress } from '../host/DownloadProgress.tsx';
import { Trouble } from '../host/Trouble.tsx';
import { strings } from '../strings.ts';
import { CardHead } from './CardHead.tsx';
import { DownloadButton } from './DownloadButton.tsx';
import type { ModelActions } from './model-actions.ts';
import { LicenseLink } from './Terms.tsx';

interface OfferedModelProps {
  /** Of the catalogue, or one that was here; a found model has only its download. */
  model?: ModelEntry;
  download?: DownloadState;
  recommended?: boolean;
  actions: ModelActions;
  /** Takes the keyboard's place when the card has gone. */
  onForget: () => void;
}

const words = strings.models;

/** A model that is not here yet: what it is, under which terms, and its download. */
export function OfferedModel({ model, download, recommended, actions, onForget }: OfferedModelProps) {
  const id = model?.id ?? download?.modelId ?? '';
  const failure = actions.failureOf(id);
  // The download says it itself.
  const repeated = download?.error !== undefined && failure?.message === download.error.message;
  return (
    <li class="card">
      <CardHead
        name={model?.name ?? download?.name ?? ''}
        size={model && !download ? formatBytes(model.bytes) : undefined}
      />
      {model?.note && !download && <p>{model.note}</p>}
      {model?.purged && !download && <p>{words.purged}</p>}
      {model && (
        <p class="quiet">
          {words.license} <LicenseLink license={model.license} />
        </p>
      )}
      {download ? (
        <DownloadProgress
          download={download}
          onPause={() => actions.pause(id)}
          onResume={() => actions.resume(id)}
          onCancel={() => actions.cancelDownload(id)}
        />
      ) : (
        model?.url !== undefined && (
          <div class="actions">
            <DownloadButton model={model} recommended={recommended} actions={actions} />
            {model.purged && (
              <button
                type="button"
                class="button plain"
                aria-label={words.forgetNamed(model.name)}
                onClick={() => {
                  actions.remove(model);
                  onForget();
                }}
              >
                {words.forget}
              </button>
            )}
          </div>
        )
      )}
      {failure && !repeated && <Trouble error={failure} />}
    </li>
  );
}
