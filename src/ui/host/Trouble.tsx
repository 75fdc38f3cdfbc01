import type { ComponentChildren } from 'preact';
import type { ErrorPayload } from '../../protocol/errors.ts';
import { harmless } from '../harmless.ts';
import { strings } from '../strings.ts';

/** An error as a sentence, followed by what can be done about it. */
export function Trouble({ error, children }: { error: ErrorPayload; children?: ComponentChildren }) {
  const advice = strings.advice[error.code];
  const message = sentence(harmless(error.message));
  return (
    <div class="callout error" role="alert">
      <span>
        {message}
        {advice && !message.includes(advice) && ` ${advice}`}
      </span>
      {children}
    </div>
  );
}

/** The message with a mark at its end. */
export function sentence(message: string): string {
  return /[.!?…]$/.test(message) ? message : `${message}.`;
}
