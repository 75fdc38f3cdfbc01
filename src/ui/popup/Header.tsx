import type { HostStatus } from '../../protocol/host.ts';
import { isInTheWay } from '../../protocol/host.ts';
import { shortActivityWords } from '../host/activity-words.ts';
import type { HostState } from '../host/host-state.ts';
import { icons } from '../icons.tsx';
import logo from '../logo/lapis.svg';
import type { Platform } from '../platform/platform.ts';
import { strings } from '../strings.ts';

const MORE = '';

/** Which model answers and how it is, and the two ways out of the conversation. */
export function Header({ state, platform }: { state: HostState; platform: Platform }) {
  const status = state.status.value;
  const { generating = false, messages = [] } = state.chat.value ?? {};
  const selected = status?.selectedModelId;
  const choices = state.models.value.filter(({ stored, id }) => stored || id === selected);
  const condition = conditionOf(status, state.unreachable.value !== undefined, generating);

  const choose = (select: HTMLSelectElement) => {
    const id = select.value;
    select.value = selected ?? '';
    if (id === MORE) platform.openSettings();
    else state.attempt(() => state.host.selectModel(id));
  };
  return (
    <header class="header">
      <img src={logo} alt="" width="30" height="30" />
      <div class="model">
        <span class="choice">
          <select
            aria-label={strings.chat.model}
            value={selected}
            disabled={generating || !status || isInTheWay(status.activity)}
            onChange={(event) => choose(event.currentTarget)}
          >
            {choices.length === 0 && <option value={selected}>{strings.product}</option>}
            {choices.map(({ id, name, suspect }) => (
              <option key={id} value={id} selected={id === selected}>
                {name || strings.models.unnamed}
                {suspect !== undefined && ` (${strings.models.suspect.toLowerCase()})`}
              </option>
            ))}
            <option value={MORE}>{strings.chat.moreModels}</option>
          </select>
        </span>
        <span class={`condition ${condition.kind}`}>{condition.text}</span>
      </div>
      <button
        type="button"
        class="icon-button"
        title={strings.chat.newChat}
        aria-label={strings.chat.newChat}
        disabled={messages.length === 0}
        onClick={() => {
          state.failure.value = undefined;
          state.attempt(() => state.host.newChat());
        }}
      >
        {icons.newChat}
      </button>
      <button
        type="button"
        class="icon-button"
        title={strings.chat.settings}
        aria-label={strings.chat.settings}
        onClick={() => platform.openSettings()}
      >
        {icons.settings}
      </button>
    </header>
  );
}

function conditionOf(status: HostStatus | undefined, unreachable: boolean, generating: boolean) {
  // A model that is loaded answers, whatever else failed.
  if (unreachable || (status?.error && !status.loadedModelId)) return { kind: 'bad', text: strings.status.failed };
  if (!status) return { kind: 'busy', text: strings.status.connecting };
  if (status.activity.kind !== 'none') return { kind: 'busy', text: shortActivityWords(status.activity) };
  if (status.loadedModelId && status.suspect) return { kind: 'bad', text: strings.status.suspect };
  if (generating) return { kind: 'good', text: strings.status.answering };
  if (status.loadedModelId) return { kind: 'good', text: strings.status.ready };
  return { kind: 'idle', text: strings.status.asleep };
}
