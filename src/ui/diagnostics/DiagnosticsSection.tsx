import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { formatShare } from '../format.ts';
import type { HostState } from '../host/host-state.ts';
import { ProgressBar } from '../host/ProgressBar.tsx';
import { Trouble } from '../host/Trouble.tsx';
import type { Platform } from '../platform/platform.ts';
import { strings } from '../strings.ts';
import { browserName } from './browser-name.ts';
import { facts, figures, reportText } from './report.ts';
import { useMeasurement } from './useMeasurement.ts';

const words = strings.diagnostics;

/** What Lapis runs on and how fast it is here, also as text for a bug report. */
export function DiagnosticsSection({ state, platform }: { state: HostState; platform: Platform }) {
  const measurement = useMeasurement(state.host);
  const copied = useSignal('');
  const browser = useSignal<string>(navigator.userAgent);
  const status = state.status.value;
  useEffect(() => {
    browserName(navigator).then((name) => {
      browser.value = name;
    });
  }, []);

  const measured = measurement.state.value;
  const result = measurement.result.value;
  const outcome = measured.kind === 'done' || measured.kind === 'cancelled' ? words.outcome[measured.kind] : '';
  const surroundings = {
    version: platform.version,
    browser: browser.value,
    status,
    error: state.unreachable.value?.toPayload() ?? status?.error,
  };
  const start = () => {
    copied.value = '';
    measurement.start();
  };
  const copy = async () => {
    copied.value = await navigator.clipboard.writeText(reportText(surroundings, result)).then(
      () => words.copied,
      () => strings.chat.copyFailed,
    );
  };
  return (
    <>
      <p class="lead">{words.lead}</p>
      <dl class="facts">
        {facts(surroundings).map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {measured.kind === 'running' && (
        <div class="activity">
          <div class="activity-line">
            <span class="activity-name">{words.measuring}</span>
            <button type="button" class="button small" onClick={measurement.cancel}>
              {strings.status.cancel}
            </button>
          </div>
          <ProgressBar label={words.measuring} done={measured.done} total={measured.total} valueText={formatShare} />
        </div>
      )}
      {measured.kind === 'failed' && <Trouble error={measured.error} />}
      {measured.kind === 'gaveWay' && (
        <p class="callout" role="status">
          {measured.reason}
        </p>
      )}
      {result && (
        <table class="figures">
          <caption>{measured.kind === 'done' ? words.figures : words.earlierFigures}</caption>
          <tbody>
            {figures(result).map(([label, value]) => (
              <tr key={label}>
                <th scope="row">{label}</th>
                <td>{value}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <div class="actions">
        <button type="button" class="button" disabled={!status || measured.kind === 'running'} onClick={start}>
          {words.measure}
        </button>
        <button type="button" class="button" onClick={copy}>
          {words.copy}
        </button>
        <span class="saved" role="status">
          {copied.value || outcome}
        </span>
      </div>
      <p class="quiet">{words.hint}</p>
    </>
  );
}
