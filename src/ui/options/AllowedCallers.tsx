import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { ConsentRecord, Consents } from '../../protocol/consent.ts';
import { LapisError } from '../../protocol/errors.ts';
import { harmless } from '../harmless.ts';
import { Name } from '../host/Name.tsx';
import { Trouble } from '../host/Trouble.tsx';
import { strings } from '../strings.ts';

/** Which other extensions may use Lapis, and the way to change one's mind. */
export function AllowedCallers({ consents }: { consents: Consents }) {
  const records = useSignal<ConsentRecord[] | undefined>(undefined);
  const failure = useSignal<LapisError | undefined>(undefined);

  const attempt = async (action: () => Promise<unknown>) => {
    try {
      await action();
      records.value = await consents.list();
      failure.value = undefined;
    } catch (error) {
      failure.value = LapisError.from(error);
    }
  };
  useEffect(() => {
    const gone = new AbortController();
    const refresh = () => attempt(async () => {});
    consents.onChange(refresh, gone.signal);
    refresh();
    return () => gone.abort();
  }, []);

  return (
    <>
      <p class="lead">{strings.callers.lead}</p>
      {failure.value && <Trouble error={failure.value.toPayload()} />}
      {records.value?.length === 0 && <p class="quiet">{strings.callers.none}</p>}
      <ul class="cards">
        {records.value?.map((record) => (
          <Caller
            key={record.id}
            record={record}
            onDecide={(allowed) => attempt(() => consents.decide(record.id, allowed))}
            onForget={() => attempt(() => consents.forget(record.id))}
          />
        ))}
      </ul>
    </>
  );
}

interface CallerProps {
  record: ConsentRecord;
  onDecide: (allowed: boolean) => void;
  onForget: () => void;
}

function Caller({ record, onDecide, onForget }: CallerProps) {
  // It names itself as it likes.
  const name = (record.name && harmless(record.name, 120)) || record.id;
  const words = strings.callers;
  const facts = [words.requests(record.requests), words.firstAsked(date(record.firstAsked))];
  if (record.lastUsed !== undefined) facts.push(words.lastUsed(date(record.lastUsed)));
  return (
    <li class="card">
      <div class="card-head">
        <h3>
          <Name>{name}</Name>
        </h3>
        <span class={record.allowed ? 'badge strong' : 'badge'}>{record.allowed ? words.allowed : words.refused}</span>
      </div>
      {record.name && <p class="quiet mono">{record.id}</p>}
      <p class="quiet">{facts.join(' · ')}</p>
      <div class="actions">
        <button
          type="button"
          class="button small"
          aria-label={record.allowed ? words.refuseNamed(name) : words.allowNamed(name)}
          onClick={() => onDecide(!record.allowed)}
        >
          {record.allowed ? words.refuse : words.allow}
        </button>
        <button type="button" class="button small" aria-label={words.forgetNamed(name)} onClick={onForget}>
          {words.forget}
        </button>
      </div>
    </li>
  );
}

function date(milliseconds: number): string {
  return new Date(milliseconds).toLocaleDateString(undefined, { dateStyle: 'medium' });
}
