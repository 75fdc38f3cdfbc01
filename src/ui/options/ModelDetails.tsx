import type { ComponentChildren } from 'preact';
import type { ModelEntry, StoredModelDetails } from '../../protocol/host.ts';
import { formatBytes, formatDay, formatParameters } from '../format.ts';
import { harmless } from '../harmless.ts';
import { strings } from '../strings.ts';
import { LicenseLink } from './Terms.tsx';

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
export function ModelDetails({ model: { id, license, details } }: { model: ModelEntry }) {
  return (
    <details>
      <summary>{words.title}</summary>
      <dl class="rows">
        {details && rowsOf(details).map(([label, value]) => <Row key={label} label={label} value={value} />)}
        <Row label={words.license} value={<LicenseLink license={license} />} />
        {details?.sha256 && <Row label={words.sha256} value={details.sha256} mono />}
        <Row label={words.id} value={harmless(id)} mono />
      </dl>
    </details>
  );
}

function rowsOf(details: StoredModelDetails): [string, string][] {
  const { parameters, types, diskBytes, gpuBytes, lastUsedAt, schemaVersion, source } = details;
  return [
    [words.parametersLabel, parameters.toLocaleString('en')],
    [words.types, types.map(({ type, bytes }) => `${type} ${formatBytes(bytes)}`).join(', ')],
    [words.disk, formatBytes(diskBytes)],
    [words.gpuLabel, words.about(formatBytes(gpuBytes))],
    [words.lastUsed, lastUsedAt === undefined ? words.never : dateAndTime(lastUsedAt)],
    [words.schema, String(schemaVersion)],
    [words.source, source],
  ];
}

function Row({ label, value, mono = false }: { label: string; value: ComponentChildren; mono?: boolean }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd class={mono ? 'mono' : undefined}>
        <bdi>{value}</bdi>
      </dd>
    </div>
  );
}

function dateAndTime(milliseconds: number): string {
  return new Date(milliseconds).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}
