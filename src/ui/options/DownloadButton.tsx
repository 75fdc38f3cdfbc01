import { useSignal } from '@preact/signals';
import { formatBytes } from '../format.ts';
import { icons } from '../icons.tsx';
import { strings } from '../strings.ts';
import type { ModelActions } from './model-actions.ts';
import type { License } from './Terms.tsx';
import { Terms } from './Terms.tsx';

interface DownloadButtonProps {
  model: { id: string; name: string; bytes: number; license: License };
  /** The one that most people should download. */
  recommended?: boolean;
  actions: ModelActions;
}

/** The only way to a download: it names its size, and asks for the terms the first time. */
export function DownloadButton({ model, recommended = false, actions }: DownloadButtonProps) {
  const asking = useSignal(false);
  const { id, name, bytes, license } = model;
  const label = strings.download.buttonNamed(name, formatBytes(bytes));
  if (asking.value) {
    return (
      <Terms
        license={license}
        bytes={bytes}
        label={label}
        onAccept={async () => {
          if (!(await actions.accept(id, license.url))) return;
          asking.value = false;
          actions.download(id);
        }}
        onCancel={() => {
          asking.value = false;
        }}
      />
    );
  }
  return (
    <button
      type="button"
      class={recommended ? 'button primary' : 'button'}
      aria-label={label}
      onClick={() => {
        if (actions.hasAccepted(license.url)) actions.download(id);
        else asking.value = true;
      }}
    >
      {icons.download}
      {strings.download.button(formatBytes(bytes))}
    </button>
  );
}
