import type { Signal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { icons } from '../icons.tsx';
import type { Platform } from '../platform/platform.ts';
import { useKept } from '../platform/useKept.ts';
import { strings } from '../strings.ts';

/** The notices that the person has put away; the popup and the settings share them. */
export function useDismissed(platform: Platform): Signal<string[]> {
  return useKept<string[]>(platform, 'dismissed-notices', []);
}

interface NoticesProps {
  notices: readonly string[];
  onDismiss: (notices: readonly string[]) => void;
  /** Takes the keyboard's place when the last notice has gone with its button. */
  onEmpty: () => void;
}

/** Sentences that the person reads once: what was purged or repaired, why, and what it will cost. */
export function Notices({ notices, onDismiss, onEmpty }: NoticesProps) {
  const list = useRef<HTMLUListElement>(null);
  const dismiss = (notice: string, index: number) => {
    const next = list.current?.querySelectorAll('button')[index + 1 < notices.length ? index + 1 : index - 1];
    onDismiss([notice]);
    if (next) next.focus();
    else onEmpty();
  };
  return (
    <ul class="notices" ref={list}>
      {notices.map((notice, index) => (
        <li key={notice} class="callout warn">
          <span role="status">{notice}</span>
          <button
            type="button"
            class="icon-button"
            title={strings.chat.dismiss}
            aria-label={strings.chat.dismiss}
            onClick={() => dismiss(notice, index)}
          >
            {icons.close}
          </button>
        </li>
      ))}
    </ul>
  );
}
