import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';
import type { ErrorPayload } from '../../protocol/errors.ts';
import type { Running } from '../host/ActivityProgress.tsx';
import { ActivityProgress } from '../host/ActivityProgress.tsx';
import { Trouble } from '../host/Trouble.tsx';
import { strings } from '../strings.ts';

interface ImportModelProps {
  running?: Running;
  failure?: ErrorPayload;
  onFile: (file: File) => void;
  onRefused: (reason: string) => void;
  onCancel: () => void;
  icon: ComponentChildren;
}

/** Takes a .gguf file from disk, by the picker or dropped. */
export function ImportModel({ running, failure, onFile, onRefused, onCancel, icon }: ImportModelProps) {
  const over = useSignal(false);
  const picker = useRef<HTMLInputElement>(null);

  const take = (files: FileList | null | undefined) => {
    if (!files?.length) return;
    if (files.length > 1) onRefused(strings.models.oneFile);
    else if (!/\.gguf$/i.test(files[0].name)) onRefused(strings.models.notGguf(files[0].name));
    else onFile(files[0]);
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping is a second way to what the button does
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
        take(event.dataTransfer?.files);
      }}
    >
      <div class="drop-line">
        <div>
          <h3>{strings.models.importTitle}</h3>
          <p class="quiet">{strings.models.importText}</p>
        </div>
        <input
          ref={picker}
          type="file"
          accept=".gguf"
          hidden
          onChange={(event) => {
            take(event.currentTarget.files);
            // The same file may be chosen again.
            event.currentTarget.value = '';
          }}
        />
        <button type="button" class="button" onClick={() => picker.current?.click()}>
          {icon}
          {strings.models.choose}
        </button>
      </div>
      {running && (
        <ActivityProgress activity={running} name={running.modelId.replace(/^file:/, '')} onCancel={onCancel} />
      )}
      {failure && <Trouble error={failure} />}
    </div>
  );
}
