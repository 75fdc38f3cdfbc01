import type { ModelEntry } from '../../protocol/host.ts';
import { formatBytes, formatDay, formatParameters } from '../format.ts';
import { harmless } from '../harmless.ts';
import { strings } from '../strings.ts';

const words = strings.details;

/** What is less of the weights, such as the norms, says nothing about the file. */
const MAIN_SHARE = 0.05;

/** The few facts by which one tells models apart, in one line. */
export function ModelSummary({ model: { details } }: { model: ModelEntry }) {
  if (!details) return null;
  const { parameters, types, gpuBytes, lastUsedAt } = details;
  const weights = types.reduce((sum, { bytes }) => sum + bytes, 0);
  const facts = [
    words.parameters(formatParameters(parameters)),
    ...types.filter(({ bytes }) => bytes >= MAIN_SHARE * weights).map(({ type }) => type),
    words.gpu(formatBytes(gpuBytes)),
    ...(lastUsedAt === undefined ? [] : [words.used(formatDay(lastUsedAt, Date.now()))]),
  ];
  return <p class="quiet">{facts.join(' · ')}</p>;
}

/** Everything that is known about a stored model, folded. */
export function ModelDetails({ model: { id, details } }: { model: ModelEntry }) {
  if (!details) return null;
  const rows: [string, string, 'mono'?][] = [
    [words.parametersLabel, details.parameters.toLocaleString('en')],
    [words.types, details.types.map(({ type, bytes }) => `${type} ${formatBytes(bytes)}`).join(', ')],
    [words.disk, formatBytes(details.diskBytes)],
    [words.gpuLabel, formatBytes(details.gpuBytes)],
    [words.lastUsed, details.lastUsedAt === undefined ? words.never : dateAndTime(details.lastUsedAt)],
    [words.schema, String(details.schemaVersion)],
    [words.source, details.source],
  ];
  if (details.sha256) rows.push([words.sha256, details.sha256, 'mono']);
  rows.push([words.id, harmless(id), 'mono']);
  return (
    <details>
      <summary>{words.title}</summary>
      <dl class="rows">
        {rows.map(([label, value, look]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd class={look}>
              <bdi>{value}</bdi>
            </dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

function dateAndTime(milliseconds: number): string {
  return new Date(milliseconds).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}
