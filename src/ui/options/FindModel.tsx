import { useSignal } from '@preact/signals';
import type { ErrorPayload } from '../../protocol/errors.ts';
import { LapisError } from '../../protocol/errors.ts';
import type { FoundModel, LapisHost } from '../../protocol/host.ts';
import { formatBytes } from '../format.ts';
import { harmless, harmlessly } from '../harmless.ts';
import { Trouble } from '../host/Trouble.tsx';
import { icons } from '../icons.tsx';
import { strings } from '../strings.ts';
import { CardHead } from './CardHead.tsx';
import { DownloadButton } from './DownloadButton.tsx';
import type { ModelActions } from './model-actions.ts';
import { LicenseLink } from './Terms.tsx';

const words = strings.find;

interface FindModelProps {
  host: LapisHost;
  actions: ModelActions;
  /** Whether a model is here or on its way, so that there is nothing to offer any more. */
  isKnown: (id: string) => boolean;
}

/** Looks up a file by its address, and offers it with its size before anything is fetched. */
export function FindModel({ host, actions, isKnown }: FindModelProps) {
  const text = useSignal('');
  const looking = useSignal(false);
  const found = useSignal<FoundModel | undefined>(undefined);
  const failure = useSignal<ErrorPayload | undefined>(undefined);

  const look = async () => {
    if (looking.value || text.value.trim() === '') return;
    looking.value = true;
    found.value = undefined;
    failure.value = undefined;
    try {
      found.value = harmlessly(await host.findModel(text.value.trim()));
    } catch (error) {
      failure.value = LapisError.from(error).toPayload();
    }
    looking.value = false;
  };
  const model = found.value;
  return (
    <div class="card">
      <h4>{words.title}</h4>
      <form
        class="find"
        onSubmit={(event) => {
          event.preventDefault();
          look();
        }}
      >
        <label for="find-model">{words.label}</label>
        <div class="find-line">
          <input
            id="find-model"
            class="field"
            placeholder={words.example}
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            maxLength={2_000}
            value={text.value}
            onInput={(event) => {
              text.value = event.currentTarget.value;
            }}
          />
          <button type="submit" class="button" aria-busy={looking.value}>
            {looking.value ? words.looking : words.button}
          </button>
        </div>
      </form>
      <div class="found-place" role="status">
        {model && isKnown(model.modelId) && <p class="quiet">{words.known}</p>}
        {model && !isKnown(model.modelId) && (
          <Found
            model={model}
            actions={actions}
            onDismiss={() => {
              found.value = undefined;
            }}
          />
        )}
      </div>
      {failure.value && <Trouble error={failure.value} />}
    </div>
  );
}

function Found({ model, actions, onDismiss }: { model: FoundModel; actions: ModelActions; onDismiss: () => void }) {
  const { modelId: id, name, bytes, url, license, pinned } = model;
  const failure = actions.failureOf(id);
  return (
    <div class="found">
      <CardHead name={name} size={formatBytes(bytes)}>
        <button type="button" class="icon-button" title={words.dismiss} aria-label={words.dismiss} onClick={onDismiss}>
          {icons.close}
        </button>
      </CardHead>
      <dl class="rows">
        <div>
          <dt>{words.from}</dt>
          <dd>
            <bdi>{harmless(url)}</bdi>
          </dd>
        </div>
        <div>
          <dt>{words.license}</dt>
          <dd>
            <LicenseLink license={license} />
          </dd>
        </div>
        <div>
          <dt>{words.check}</dt>
          <dd>{pinned ? words.pinned : words.unpinned}</dd>
        </div>
      </dl>
      <div class="actions">
        <DownloadButton model={{ id, name, bytes, license }} recommended actions={actions} />
      </div>
      {failure && <Trouble error={failure} />}
    </div>
  );
}
