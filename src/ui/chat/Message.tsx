import { useState } from 'preact/hooks';
import type { Timings } from '../../protocol/generation.ts';
import { formatMilliseconds, formatRate } from '../format.ts';
import { icons } from '../icons.tsx';
import { Markdown } from '../markdown/Markdown.tsx';
import { strings } from '../strings.ts';

/** What the person wrote, as plain text, and whether it is left out of what the model sees. */
export function Question({ text, leftOut }: { text: string; leftOut: boolean }) {
  return (
    <>
      <article class={leftOut ? 'question left-out' : 'question'} aria-label={strings.chat.you} dir="auto">
        {text}
      </article>
      {leftOut && <p class="left-out-note">{strings.chat.leftOut}</p>}
    </>
  );
}

interface AnswerProps {
  text: string;
  growing: boolean;
  timings?: Timings;
  /** Present where the answer may be asked for again. */
  onRetry?: () => void;
}

/** One answer, and what can be done with it once it stands. */
export function Answer({ text, growing, timings, onRetry }: AnswerProps) {
  return (
    <article class="answer" aria-label={strings.chat.lapis} aria-busy={growing}>
      {growing && text === '' ? (
        <p class="thinking">
          <span class="visually-hidden">{strings.chat.thinking}</span>
          <i />
          <i />
          <i />
        </p>
      ) : (
        <div dir="auto">
          <Markdown text={text} growing={growing} />
        </div>
      )}
      {!growing && (
        <footer class="answer-tools">
          {text !== '' && <CopyButton text={text} />}
          {onRetry && (
            <button
              type="button"
              class="icon-button"
              title={strings.chat.retry}
              aria-label={strings.chat.retry}
              onClick={onRetry}
            >
              {icons.retry}
            </button>
          )}
          {timings && timings.decodeTokensPerSecond > 0 && (
            <span class="timings">
              {strings.chat.timings(
                formatRate(timings.decodeTokensPerSecond),
                formatMilliseconds(timings.firstTokenMs),
              )}
            </span>
          )}
        </footer>
      )}
    </article>
  );
}

function CopyButton({ text }: { text: string }) {
  const [outcome, setOutcome] = useState<'copied' | 'failed' | undefined>();
  const label =
    outcome === 'copied' ? strings.chat.copied : outcome === 'failed' ? strings.chat.copyFailed : strings.chat.copy;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setOutcome('copied');
    } catch {
      setOutcome('failed');
    }
    setTimeout(() => setOutcome(undefined), 1_600);
  };
  return (
    <button type="button" class="icon-button" title={label} aria-label={label} onClick={copy}>
      {outcome === 'copied' ? icons.check : outcome === 'failed' ? icons.close : icons.copy}
    </button>
  );
}
