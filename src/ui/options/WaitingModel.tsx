import { useSignal } from '@preact/signals';
import type { ModelEntry } from '../../protocol/host.ts';
import { formatBytes } from '../format.ts';
import { ActivityProgress } from '../host/ActivityProgress.tsx';
import type { Running } from '../host/activity-words.ts';
import { Question } from '../host/Question.tsx';
import { Trouble } from '../host/Trouble.tsx';
import { strings } from '../strings.ts';
import { CardHead } from './CardHead.tsx';
import type { ModelActions } from './model-actions.ts';

interface WaitingModelProps {
  model: ModelEntry;
  running?: Running;
  actions: ModelActions;
  /** Takes the keyboard's place when the card has gone. */
  onRemove: () => void;
}

const words = strings.models;

/** What is stored of a model that waits for its file, or to be made usable: it takes room, so it can be deleted. */
export function WaitingModel({ model, running, actions, onRemove }: WaitingModelProps) {
  const asking = useSignal(false);
  const size = formatBytes(model.bytes);
  const failure = actions.failureOf(model.id);
  const ask = (wanted: boolean) => () => {
    asking.value = wanted;
  };
  return (
    <li class="card">
      <CardHead name={model.name} size={size}>
        <span class="badge warn">{words.waiting}</span>
      </CardHead>
      {failure?.message !== model.waiting && <p>{model.waiting}</p>}
      {running ? (
        <ActivityProgress activity={running} onCancel={actions.cancelActivity} />
      ) : asking.value ? (
        <Question
          yes={words.remove}
          no={words.keep}
          onYes={() => {
            actions.remove(model);
            onRemove();
          }}
          onNo={ask(false)}
        >
          {words.removeAsk(size)} {model.url ? words.removeThenDownload(size) : words.removeThenFile}
        </Question>
      ) : (
        <div class="actions">
          {model.renewable && (
            <button
              type="button"
              class="button primary"
              aria-label={words.useNamed(model.name)}
              onClick={() => actions.use(model.id)}
            >
              {words.use}
            </button>
          )}
          <button
            type="button"
            class="button plain danger"
            aria-label={words.removeNamed(model.name)}
            onClick={ask(true)}
          >
            {words.remove}
          </button>
        </div>
      )}
      {failure && <Trouble error={failure} />}
    </li>
  );
}
