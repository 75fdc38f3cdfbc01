import type { BenchmarkResult } from '../../protocol/benchmark.ts';
import type { ErrorPayload } from '../../protocol/errors.ts';
import type { HostStatus } from '../../protocol/host.ts';
import { formatBytes, formatMilliseconds, formatRate } from '../format.ts';
import { harmless } from '../harmless.ts';
import { strings } from '../strings.ts';

export type Row = [label: string, value: string];

export interface Surroundings {
  version: string;
  browser: string;
  /** Undefined while the engine cannot be reached. */
  status?: HostStatus;
  error?: ErrorPayload;
}

const words = strings.diagnostics;

/** What this Lapis is and runs on. */
export function facts({ version, browser, status, error }: Surroundings): Row[] {
  const rows: Row[] = [
    [words.version, version],
    [words.browser, browser],
    [words.adapter, adapterName(status)],
    [words.features, status?.features?.join(', ') || words.notAskedFor],
    [words.model, status?.loadedModelId === undefined ? words.noModel : harmless(status.loadedModelId)],
    [words.gpuMemory, formatBytes(status?.gpuBytes ?? 0)],
  ];
  if (status) rows.push([words.schema, String(status.schemaVersion)]);
  if (status?.storage) rows.push([words.storage, formatBytes(status.storage.usedBytes)]);
  if (error) rows.push([words.error, `${error.code}: ${error.message}`]);
  return rows;
}

/** What a benchmark measured. */
export function figures(result: BenchmarkResult): Row[] {
  const { interTokenMs, floorGBps, floorShare, cpuMsPerToken } = result;
  const milliseconds = (ms: number) => `${ms.toFixed(ms < 100 ? 2 : 0)} ms`;
  return [
    [words.measuredModel, harmless(result.model)],
    [words.prefill, words.rate(formatRate(result.prefillTokensPerSecond), result.promptTokens)],
    [words.firstToken, milliseconds(result.firstTokenMs)],
    [words.decode, words.rate(formatRate(result.decodeTokensPerSecond), result.decodeTokens)],
    [words.between, words.quantiles(milliseconds(interTokenMs.p50), milliseconds(interTokenMs.p95))],
    [words.load, formatMilliseconds(result.loadMs)],
    [words.weights, words.cost(formatBytes(result.bytesPerToken), (result.flopsPerToken / 1e9).toFixed(2))],
    [words.dispatches, result.dispatchesPerToken.toFixed(0)],
    ...(cpuMsPerToken === undefined ? [] : [[words.cpu, milliseconds(cpuMsPerToken)] satisfies Row]),
    [words.measuredMemory, formatBytes(result.gpuBytes)],
    [words.floor, words.bandwidth(floorGBps.toFixed(1), (100 * floorShare).toFixed(1))],
    [words.runs, String(result.runs)],
  ];
}

/** Everything that a bug report needs, as lines of plain text. */
export function reportText(surroundings: Surroundings, result: BenchmarkResult | undefined): string {
  const { status } = surroundings;
  const unread = status?.notices.map(({ text }) => text) ?? [];
  const notices = [...unread, status?.kernelNotice, status?.suspect].filter((text) => text !== undefined);
  const lines = (rows: Row[]) => rows.map(([label, value]) => `${label}: ${value}`);
  return [
    words.reportTitle,
    ...lines(facts(surroundings)),
    ...notices.map((notice) => `${words.notice}: ${notice}`),
    '',
    ...(result ? [words.figures, ...lines(figures(result))] : [words.notMeasured]),
    '',
  ].join('\n');
}

function adapterName(status: HostStatus | undefined): string {
  if (!status?.adapter) return words.notAskedFor;
  const { vendor, architecture, description } = status.adapter;
  const name = [...new Set([vendor, architecture, description])].filter(Boolean).join(' · ');
  return status.softwareAdapter ? `${name} (${words.software})` : name;
}
