import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

interface QuestionProps {
  children: ComponentChildren;
  /** What a yes does, and what a no does. */
  yes: string;
  no: string;
  onYes: () => void;
  onNo: () => void;
}

/** Asks in place before something is lost. The harmless answer has the focus; Escape gives it. */
export function Question({ children, yes, no, onYes, onNo }: QuestionProps) {
  const harmless = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => harmless.current?.focus(), []);
  return (
    <fieldset
      class="question"
      onKeyDown={(event) => {
        if (event.key === 'Escape') onNo();
      }}
    >
      <legend>{children}</legend>
      <button type="button" class="button small danger" onClick={onYes}>
        {yes}
      </button>
      <button type="button" class="button small" ref={harmless} onClick={onNo}>
        {no}
      </button>
    </fieldset>
  );
}
