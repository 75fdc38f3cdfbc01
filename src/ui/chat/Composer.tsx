import type { Signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { icons } from '../icons.tsx';
import { strings } from '../strings.ts';

interface ComposerProps {
  draft: Signal<string>;
  generating: boolean;
  onSend: () => void;
  onStop: () => void;
}

/** The input. Enter sends and Shift+Enter breaks the line; an Enter that ends an input method's composition does neither. */
export function Composer({ draft, generating, onSend, onStop }: ComposerProps) {
  const input = useRef<HTMLTextAreaElement>(null);
  useEffect(() => input.current?.focus(), []);

  const sendable = !generating && draft.value.trim() !== '';
  const send = () => {
    if (sendable) onSend();
    input.current?.focus();
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={input}
        rows={1}
        aria-label={strings.chat.placeholder}
        placeholder={generating ? strings.chat.placeholderBusy : strings.chat.placeholder}
        value={draft.value}
        dir="auto"
        onInput={(event) => {
          draft.value = event.currentTarget.value;
        }}
        onKeyDown={(event) => {
          // keyCode 229: the key belongs to an input method, also where isComposing has already become false.
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
          event.preventDefault();
          send();
        }}
      />
      {generating ? (
        <button
          type="button"
          class="send stop"
          title={strings.chat.stop}
          aria-label={strings.chat.stop}
          onClick={() => {
            onStop();
            input.current?.focus();
          }}
        >
          {icons.stop}
        </button>
      ) : (
        <button
          type="submit"
          class="send"
          title={strings.chat.send}
          aria-label={strings.chat.send}
          disabled={!sendable}
        >
          {icons.send}
        </button>
      )}
    </form>
  );
}
