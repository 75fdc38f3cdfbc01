import type { VerifyResult } from '../../protocol/host.ts';
import { icons } from '../icons.tsx';
import { strings } from '../strings.ts';
import type { Outcome } from './model-actions.ts';

const words = strings.models;

/** What a verification or an export came to, in words. */
export function OutcomeReport({ outcome }: { outcome: Outcome }) {
  if (outcome.kind === 'exported') return <Good>{words.exported(outcome.folder)}</Good>;
  const { damaged, repaired } = outcome.result;
  if (damaged.length === 0 && repaired.length === 0) return <Good>{words.whole}</Good>;
  return <Damage result={outcome.result} />;
}

function Good({ children }: { children: string }) {
  return (
    <p class="outcome good">
      {icons.check}
      {children}
    </p>
  );
}

function Damage({ result: { damaged, repaired } }: { result: VerifyResult }) {
  const still = damaged.length - repaired.length;
  if (still <= 0) {
    return (
      <div class="callout warn">
        <Sentences title={words.repaired(repaired.length)} sentences={repaired} />
      </div>
    );
  }
  return (
    <div class="callout error">
      <Sentences title={words.damaged(still, damaged.length)} sentences={damaged} advice={words.damagedAdvice} />
    </div>
  );
}

function Sentences({ title, sentences, advice }: { title: string; sentences: readonly string[]; advice?: string }) {
  return (
    <div>
      <p>{title}</p>
      <ul>
        {sentences.map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
      {advice && <p>{advice}</p>}
    </div>
  );
}
