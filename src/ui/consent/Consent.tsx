import { useEffect, useRef, useState } from 'preact/hooks';
import type { ConsentQuestion } from '../../protocol/consent.ts';
import { harmless } from '../harmless.ts';
import logo from '../logo/lapis.svg';
import { strings } from '../strings.ts';

const words = strings.consent;

/**
 * The buttons do nothing for this long: the window comes up while the person may be typing or clicking elsewhere, and a key meant for
 * another window must not decide.
 */
const ARMED_AFTER_MS = 700;

export interface ConsentProps {
  /** Undefined when no extension is asking. */
  question: ConsentQuestion | undefined;
  onAnswer: (allowed: boolean) => void;
  /** Opens the browser's own page about the extension. */
  onSee: (id: string) => void;
}

/** The question whether another extension may use Lapis: who asks, what it would get, Allow or Deny. */
export function Consent({ question, onAnswer, onSee }: ConsentProps) {
  const [armed, setArmed] = useState(false);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    heading.current?.focus();
    const timer = setTimeout(() => setArmed(true), ARMED_AFTER_MS);
    const deny = (event: KeyboardEvent) => {
      if (event.key === 'Escape') onAnswer(false);
    };
    addEventListener('keydown', deny);
    return () => {
      clearTimeout(timer);
      removeEventListener('keydown', deny);
    };
  }, [onAnswer]);

  if (!question) {
    return (
      <main class="consent">
        <p>{words.nobody}</p>
        <div class="choices">
          <button type="button" class="button" onClick={() => onAnswer(false)}>
            {words.close}
          </button>
        </div>
      </main>
    );
  }
  return (
    <main class="consent">
      <h1 ref={heading} tabIndex={-1}>
        <img src={logo} alt="" />
        {words.title}
      </h1>
      <section class="who">
        <dl>
          {question.name && (
            <div>
              <dt>
                {words.calls} (<span class="unsure">{words.unverified}</span>)
              </dt>
              <dd>
                “<bdi>{harmless(question.name, 120)}</bdi>”
              </dd>
            </div>
          )}
          <div>
            <dt>
              {words.id} (<span class="good">{words.verified}</span>)
            </dt>
            <dd class="mono">{question.id}</dd>
          </div>
          {question.origin && question.origin !== `chrome-extension://${question.id}` && (
            <div>
              <dt>{words.origin}</dt>
              <dd class="mono">{question.origin}</dd>
            </div>
          )}
        </dl>
        <button type="button" class="link" onClick={() => onSee(question.id)}>
          {words.see}
        </button>
      </section>
      <p>{words.gets}</p>
      <p>{words.getsNot}</p>
      <p class="small-print">{words.remembered}</p>
      <div class="choices">
        <button type="button" class="button" disabled={!armed} onClick={() => onAnswer(false)}>
          {words.deny}
        </button>
        <button type="button" class="button primary" disabled={!armed} onClick={() => onAnswer(true)}>
          {words.allow}
        </button>
      </div>
    </main>
  );
}
