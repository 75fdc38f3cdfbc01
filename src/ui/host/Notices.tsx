import { useRef } from 'preact/hooks';
import { icons } from '../icons.tsx';
import type { Platform } from '../platform/platform.ts';
import { useKept } from '../platform/useKept.ts';
import { strings } from '../strings.ts';
import type { HostState } from './host-state.ts';

/** A sentence, and what tells it from another with the same words. */
export interface ShownNotice {
  key: number | string;
  text: string;
}

/**
 * What the person has not put away: what happened to the models, which the engine keeps until then, and behind it what holds as
 * things are, of which the page remembers what was read. The popup and the settings share both.
 */
export function useNotices(
  { status, host, attempt }: HostState,
  platform: Platform,
  lasting: readonly (string | undefined)[],
): { notices: ShownNotice[]; dismiss: (read: readonly ShownNotice[]) => void } {
  const dismissed = useKept<string[]>(platform, 'dismissed-notices', []);
  const happened = status.value?.notices.map(({ at, text }) => ({ key: at, text })) ?? [];
  const holds = lasting.filter((text) => text !== undefined && !dismissed.value.includes(text));
  return {
    notices: [...happened, ...holds.map((text = '') => ({ key: text, text }))],
    dismiss(read) {
      const texts = read.map(({ key }) => key).filter((key) => typeof key === 'string');
      const times = read.map(({ key }) => key).filter((key) => typeof key === 'number');
      if (texts.length > 0) dismissed.value = [...dismissed.value, ...texts];
      if (times.length > 0) attempt(() => host.dismissNotices(times));
    },
  };
}

interface NoticesProps {
  notices: readonly ShownNotice[];
  onDismiss: (notices: readonly ShownNotice[]) => void;
  /** Takes the keyboard's place when the last notice has gone with its button. */
  onEmpty: () => void;
}

/** Sentences that the person reads once: what was purged or repaired, why, and what it will cost. */
export function Notices({ notices, onDismiss, onEmpty }: NoticesProps) {
  const list = useRef<HTMLUListElement>(null);
  const dismiss = (notice: ShownNotice, index: number) => {
    const next = list.current?.querySelectorAll('button')[index + 1 < notices.length ? index + 1 : index - 1];
    onDismiss([notice]);
    if (next) next.focus();
    else onEmpty();
  };
  return (
    <ul class="notices" ref={list}>
      {notices.map((notice, index) => (
        <li key={notice.key} class="callout warn">
          <span role="status">{notice.text}</span>
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
