import type { ReadonlySignal } from '@preact/signals';
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { BenchmarkEvent, BenchmarkResult } from '../../protocol/benchmark.ts';
import type { ErrorPayload } from '../../protocol/errors.ts';
import { LapisError } from '../../protocol/errors.ts';
import type { LapisHost } from '../../protocol/host.ts';
import { harmlessly } from '../harmless.ts';

/** What the latest measurement has come to. */
export type MeasurementState =
  | { kind: 'none' }
  | { kind: 'running'; done: number; total: number }
  | { kind: 'done' }
  | { kind: 'failed'; error: ErrorPayload }
  /** For something that comes first; `reason` is a sentence. */
  | { kind: 'gaveWay'; reason: string }
  | { kind: 'cancelled' };

export interface Measurement {
  state: ReadonlySignal<MeasurementState>;
  /** Of the latest measurement that reached its end. */
  result: ReadonlySignal<BenchmarkResult | undefined>;
  start(): Promise<void>;
  cancel(): void;
}

/** Runs the host's benchmark for a page; it ends with the page. */
export function useMeasurement(host: LapisHost): Measurement {
  const state = useSignal<MeasurementState>({ kind: 'none' });
  const result = useSignal<BenchmarkResult | undefined>(undefined);
  const reader = useRef<ReadableStreamDefaultReader<BenchmarkEvent>>(undefined);

  const cancel = () => {
    reader.current?.cancel().catch(() => {});
    reader.current = undefined;
    if (state.value.kind === 'running') state.value = { kind: 'cancelled' };
  };
  useEffect(() => cancel, []);

  return {
    state,
    result,
    cancel,
    async start() {
      state.value = { kind: 'running', done: 0, total: 0 };
      try {
        const stream = await host.runBenchmark();
        // It may have been cancelled before it began.
        if (state.value.kind !== 'running') return void stream.cancel().catch(() => {});
        const own = stream.getReader();
        reader.current = own;
        for (;;) {
          const { done, value } = await own.read();
          if (done || reader.current !== own) return;
          const event = harmlessly(value);
          if (event.type === 'progress') state.value = { kind: 'running', done: event.done, total: event.total };
          else if (event.type === 'result') {
            result.value = event.result;
            state.value = { kind: 'done' };
          } else state.value = endedBy(event.error);
        }
      } catch (error) {
        if (state.value.kind === 'running') state.value = endedBy(LapisError.from(error).toPayload());
      }
    },
  };
}

function endedBy(error: ErrorPayload): MeasurementState {
  return error.code === 'aborted' ? { kind: 'gaveWay', reason: error.message } : { kind: 'failed', error };
}
