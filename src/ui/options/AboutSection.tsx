import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { formatBytes } from '../format.ts';
import type { HostState } from '../host/host-state.ts';
import type { Platform } from '../platform/platform.ts';
import { strings } from '../strings.ts';

/** What this Lapis is and runs on, also as text for a bug report. */
export function AboutSection({ state, platform }: { state: HostState; platform: Platform }) {
  const copied = useSignal('');
  const usage = useSignal<number | undefined>(undefined);
  useEffect(() => {
    navigator.storage.estimate().then((estimate) => {
      usage.value = estimate.usage;
    });
  }, [state.status.value?.activity.kind]);

  const rows = diagnostics(state, platform, usage.value);
  const copy = async () => {
    const text = rows.map(([label, value]) => `${label}: ${value}`).join('\n');
    copied.value = await navigator.clipboard.writeText(text).then(
      () => strings.about.copied,
      () => strings.chat.copyFailed,
    );
  };
  return (
    <>
      <p class="lead">{strings.about.lead}</p>
      <dl class="facts">
        {rows.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <div class="actions">
        <button type="button" class="button" onClick={copy}>
          {strings.about.copy}
        </button>
        <span class="saved" role="status">
          {copied.value}
        </span>
      </div>
    </>
  );
}

function diagnostics(state: HostState, platform: Platform, usage: number | undefined): [string, string][] {
  const words = strings.about;
  const status = state.status.value;
  const adapter = status?.adapter;
  const gpu = adapter
    ? [...new Set([adapter.vendor, adapter.architecture, adapter.description])].filter(Boolean).join(' · ')
    : words.noAdapter;
  const error = state.unreachable.value?.toPayload() ?? status?.error;
  const rows: [string, string][] = [
    [words.version, platform.version],
    [words.adapter, status?.softwareAdapter ? `${gpu} (${words.software})` : gpu],
    [words.model, status?.loadedModelId ?? words.noModel],
    [words.gpuMemory, formatBytes(status?.gpuBytes ?? 0)],
  ];
  if (status) rows.push([words.schema, String(status.schemaVersion)]);
  if (usage !== undefined) rows.push([words.storage, formatBytes(usage)]);
  rows.push([words.browser, navigator.userAgent]);
  if (error) rows.push([words.error, `${error.code}: ${error.message}`]);
  return rows;
}
