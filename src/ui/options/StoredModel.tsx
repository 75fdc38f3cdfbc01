import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { ModelEntry } from '../../protocol/host.ts';
import { formatBytes } from '../format.ts';
import { ActivityProgress } from '../host/ActivityProgress.tsx';
import type { Running } from '../host/activity-words.ts';
import { Question } from '../host/Question.tsx';
import { Trouble } from '../host/Trouble.tsx';
import { icons } from '../icons.tsx';
import { strings } from '../strings.ts';
import { CardHead } from './CardHead.tsx';
import { ModelDetails, ModelSummary } from './ModelDetails.tsx';
import type { ModelActions } from './model-actions.ts';
import { OutcomeReport } from './OutcomeReport.tsx';
import { StoredModelButtons } from './StoredModelButtons.tsx';

interface StoredModelProps {
  model: ModelEntry;
  inUse: boolean;
  selected: boolean;
  running?: Running;
  actions: ModelActions;
  /** Takes the keyboard's place when the card has gone. */
  onRemove: () => void;
}

const words = strings.models;

/** A model on this machine: what it is, how it is, and what can be done with it. */
export function StoredModel({ model, inUse, selected, running, actions, onRemove }: StoredModelProps) {
  const asking = useSignal(false);
  const card = useRef<HTMLLIElement>(null);
  const size = formatBytes(model.details?.diskBytes ?? model.bytes);
  const state = inUse ? words.loaded : selected ? words.selected : model.details ? words.stored : words.included;
  const failure = actions.failureOf(model.id);
  const outcome = actions.outcomeOf(model.id);

  const keep = () => {
    asking.value = false;
    // The button that asked is back after the next render.
    requestAnimationFrame(() => card.current?.querySelector<HTMLElement>('.button.danger')?.focus());
  };
  return (
    <li class={selected ? 'card chosen' : 'card'} ref={card}>
      <CardHead name={model.name} size={model.bytes > 0 ? size : undefined}>
        <span class={inUse ? 'badge strong' : 'badge'}>{state}</span>
        {model.suspect && <span class="badge warn">{words.suspect}</span>}
      </CardHead>
      {model.note && <p>{model.note}</p>}
      <ModelSummary model={model} />
      {model.suspect && (
        <div class="callout warn">
          {icons.warning}
          <span>
            {model.suspect} {words.suspectAdvice}
          </span>
        </div>
      )}
      {running ? (
        <ActivityProgress activity={running} onCancel={actions.cancelActivity} />
      ) : asking.value ? (
        <Question
          yes={words.remove}
          no={words.keep}
          onYes={() => {
            asking.value = false;
            actions.remove(model);
            onRemove();
          }}
          onNo={keep}
        >
          {words.removeAsk(size)}{' '}
          {model.url ? words.removeThenDownload(formatBytes(model.bytes)) : words.removeThenFile}
        </Question>
      ) : (
        <StoredModelButtons
          model={model}
          inUse={inUse}
          actions={actions}
          onRemove={() => {
            asking.value = true;
          }}
        />
      )}
      {outcome && !running && <OutcomeReport outcome={outcome} />}
      {failure && <Trouble error={failure} />}
      <ModelDetails model={model} />
    </li>
  );
}
