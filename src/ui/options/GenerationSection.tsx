import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { defaultChatSettings } from '../../protocol/chat-settings.ts';
import { LapisError } from '../../protocol/errors.ts';
import type { ChatSettings } from '../../protocol/host.ts';
import type { HostState } from '../host/host-state.ts';
import { Trouble } from '../host/Trouble.tsx';
import { strings } from '../strings.ts';
import type { NumberField } from './generation-fields.ts';
import { fieldText, NUMBER_FIELDS, withFieldText } from './generation-fields.ts';

/** How long typing may pause before the settings are kept. */
const SAVE_DELAY_MS = 400;

/** How answers are made. */
export function GenerationSection({ state }: { state: HostState }) {
  const settings = useSignal<ChatSettings | undefined>(undefined);
  const saved = useSignal(false);
  const problem = useSignal<ReturnType<typeof asPayload> | undefined>(undefined);
  const timer = useRef(0);
  const reachable = state.status.value !== undefined;

  // What was not set is each model's own default.
  const modelId = state.status.value?.selectedModelId;
  useEffect(() => {
    if (!reachable || timer.current) return;
    state.host.chatSettings().then(
      (current) => {
        settings.value = current;
      },
      (error) => {
        problem.value = asPayload(error);
      },
    );
  }, [reachable, modelId]);

  const save = async () => {
    clearTimeout(timer.current);
    timer.current = 0;
    if (!settings.value) return;
    try {
      await state.host.setChatSettings(settings.value);
      problem.value = undefined;
      saved.value = true;
    } catch (error) {
      problem.value = asPayload(error);
    }
  };
  const change = (next: ChatSettings) => {
    settings.value = next;
    saved.value = false;
    clearTimeout(timer.current);
    timer.current = window.setTimeout(save, SAVE_DELAY_MS);
  };
  useEffect(() => {
    // Closing the tab within the delay must not lose the last change.
    const onHide = () => timer.current && save();
    window.addEventListener('pagehide', onHide);
    return () => window.removeEventListener('pagehide', onHide);
  }, []);

  const current = settings.value;
  if (!current) {
    return problem.value ? (
      <Trouble error={problem.value} />
    ) : (
      <p class="quiet">{state.unreachable.value ? strings.generation.unreachable : strings.status.connecting}</p>
    );
  }
  return (
    <>
      <p class="lead">{strings.generation.lead}</p>
      <div class="setting wide">
        <label for="system">{strings.generation.system}</label>
        <textarea
          id="system"
          class="field"
          rows={3}
          aria-describedby="system-hint"
          value={current.system}
          dir="auto"
          onInput={(event) => change({ ...current, system: event.currentTarget.value })}
        />
        <p id="system-hint" class="quiet">
          {strings.generation.systemHint}
        </p>
      </div>
      <div class="settings">
        {NUMBER_FIELDS.map((field) => (
          <NumberSetting key={field.key} field={field} settings={current} onChange={change} />
        ))}
      </div>
      <div class="actions">
        <button
          type="button"
          class="button"
          onClick={() => change(defaultChatSettings(state.status.value?.selectedModelId))}
        >
          {strings.generation.reset}
        </button>
        <span class="saved" role="status">
          {saved.value && strings.generation.saved}
        </span>
      </div>
      {problem.value && <Trouble error={problem.value} />}
    </>
  );
}

interface NumberSettingProps {
  field: NumberField;
  settings: ChatSettings;
  onChange: (settings: ChatSettings) => void;
}

function NumberSetting({ field, settings, onChange }: NumberSettingProps) {
  // What is being typed stands until the settings change from elsewhere; half a number is not a setting.
  const typed = useSignal<string | undefined>(undefined);
  const problem = useSignal('');
  const text = fieldText(settings, field);
  useEffect(() => {
    typed.value = undefined;
    problem.value = '';
  }, [text]);

  const take = (next: string) => {
    typed.value = next;
    const result = withFieldText(settings, field, next);
    problem.value = 'problem' in result ? result.problem : '';
    if ('settings' in result) onChange(result.settings);
  };
  const id = `setting-${field.key}`;
  return (
    <div class="setting">
      <label for={id}>{field.label}</label>
      <input
        id={id}
        class="field"
        type="number"
        inputMode="decimal"
        min={field.min}
        max={field.max}
        step={field.step}
        value={typed.value ?? text}
        aria-describedby={`${id}-hint`}
        aria-invalid={problem.value !== ''}
        onInput={(event) => take(event.currentTarget.value)}
      />
      <p id={`${id}-hint`} class={problem.value ? 'problem' : 'quiet'}>
        {problem.value || field.hint}
      </p>
    </div>
  );
}

function asPayload(error: unknown) {
  return LapisError.from(error).toPayload();
}
