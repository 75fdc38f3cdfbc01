import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { LapisError } from '../../protocol/errors.ts';
import { harmless } from '../harmless.ts';
import { ActivityProgress } from '../host/ActivityProgress.tsx';
import type { Running } from '../host/activity-words.ts';
import { Trouble } from '../host/Trouble.tsx';
import { icons } from '../icons.tsx';
import { strings } from '../strings.ts';
import { dropped, pickImportFolder } from './folders.ts';
import type { ModelActions } from './model-actions.ts';

const words = strings.import;

/** Takes a .gguf file or a folder from disk, by the picker or dropped. */
export function ImportModel({ running, actions }: { running?: Running; actions: ModelActions }) {
  const over = useSignal(false);
  const picker = useRef<HTMLInputElement>(null);
  const failure = actions.failureOf('');

  const takeFile = (file: File) => {
    if (/\.gguf$/i.test(file.name)) actions.importFile(file);
    else actions.refuseImport(new LapisError('bad-request', words.notGguf(harmless(file.name, 120))));
  };
  const takeDrop = async (transfer: DataTransfer) => {
    try {
      const thing = await dropped(transfer);
      if (thing instanceof File) takeFile(thing);
      else actions.importFolder(async () => thing);
    } catch (error) {
      actions.refuseImport(LapisError.from(error));
    }
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping is a second way to what the buttons do
    <div
      class={over.value ? 'drop over' : 'drop'}
      onDragOver={(event) => {
        event.preventDefault();
        over.value = true;
      }}
      onDragLeave={() => {
        over.value = false;
      }}
      onDrop={(event) => {
        event.preventDefault();
        over.value = false;
        if (event.dataTransfer) takeDrop(event.dataTransfer);
      }}
    >
      <p>{words.text}</p>
      <input
        ref={picker}
        type="file"
        accept=".gguf"
        hidden
        onChange={(event) => {
          const [file] = event.currentTarget.files ?? [];
          if (file) takeFile(file);
          // The same file may be chosen again.
          event.currentTarget.value = '';
        }}
      />
      <div class="actions">
        <button type="button" class="button" onClick={() => picker.current?.click()}>
          {icons.file}
          {words.file}
        </button>
        <button type="button" class="button" onClick={() => actions.importFolder(pickImportFolder)}>
          {icons.folder}
          {words.folder}
        </button>
      </div>
      {running && (
        <ActivityProgress
          activity={running}
          name={harmless(running.modelId.replace(/^file:/, ''), 120)}
          onCancel={actions.cancelActivity}
        />
      )}
      {actions.isQueued('') && (
        <p class="quiet" role="status">
          {words.queued}
        </p>
      )}
      {failure && <Trouble error={failure} />}
    </div>
  );
}
