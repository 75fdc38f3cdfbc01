import { useSignal } from '@preact/signals';
import type { ErrorPayload } from '../../protocol/errors.ts';
import type { ModelEntry } from '../../protocol/host.ts';
import { formatBytes } from '../format.ts';
import type { Running } from '../host/ActivityProgress.tsx';
import { ActivityProgress } from '../host/ActivityProgress.tsx';
import { Trouble } from '../host/Trouble.tsx';
import { icons } from '../icons.tsx';
import { strings } from '../strings.ts';

interface ModelCardProps {
  model: ModelEntry;
  inUse: boolean;
  selected: boolean;
  /** The one that most people should download. */
  recommended: boolean;
  running?: Running;
  failure?: ErrorPayload;
  onUse: () => void;
  onDownload: () => void;
  onRemove: () => void;
  onCancel: () => void;
}

/** One model: what it is, under which terms, and what can be done with it. */
export function ModelCard({ model, inUse, selected, recommended, running, failure, ...on }: ModelCardProps) {
  const asking = useSignal(false);
  const size = formatBytes(model.bytes);
  const state = inUse
    ? strings.models.loaded
    : selected
      ? strings.models.selected
      : model.stored
        ? strings.models.stored
        : '';
  const license = (
    <a href={model.license.url} target="_blank" rel="noopener noreferrer">
      {model.license.name}
    </a>
  );
  const downloads = !model.stored && model.url !== undefined;
  return (
    <li class={selected ? 'card chosen' : 'card'}>
      <div class="card-head">
        <h3>{model.name}</h3>
        {state && <span class={inUse ? 'badge strong' : 'badge'}>{state}</span>}
        {model.bytes > 0 && <span class="size">{size}</span>}
      </div>
      {model.note && <p>{model.note}</p>}
      <p class="quiet">
        {downloads ? strings.models.terms : strings.models.license} {license}
        {downloads && '.'}
      </p>
      {running ? (
        <ActivityProgress activity={running} name={model.name} onCancel={on.onCancel} />
      ) : asking.value ? (
        <div class="actions">
          <span>{strings.models.removeAsk(size)}</span>
          <button
            type="button"
            class="button small danger"
            onClick={() => {
              asking.value = false;
              on.onRemove();
            }}
          >
            {strings.models.remove}
          </button>
          <button type="button" class="button small" ref={focusOnce} onClick={() => (asking.value = false)}>
            {strings.models.keep}
          </button>
        </div>
      ) : (
        <div class="actions">
          {downloads && (
            <button
              type="button"
              class={recommended ? 'button primary' : 'button'}
              aria-label={strings.models.downloadNamed(model.name, size)}
              onClick={on.onDownload}
            >
              {icons.download}
              {strings.models.download(size)}
            </button>
          )}
          {model.stored && !inUse && (
            <button
              type="button"
              class="button primary"
              aria-label={strings.models.useNamed(model.name)}
              onClick={on.onUse}
            >
              {strings.models.use}
            </button>
          )}
          {model.stored && model.id !== 'demo' && (
            <button
              type="button"
              class="button"
              aria-label={strings.models.removeNamed(model.name)}
              onClick={() => (asking.value = true)}
            >
              {strings.models.remove}
            </button>
          )}
        </div>
      )}
      {failure && <Trouble error={failure} />}
    </li>
  );
}

/** The harmless answer has the focus when the question appears. */
function focusOnce(button: HTMLButtonElement | null): void {
  button?.focus();
}
