import type { ReadonlySignal } from '@preact/signals';
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { BenchmarkEvent, BenchmarkResult } from '../../protocol/benchmark.ts';
import type { ErrorPayload } from '../../protocol/errors.ts';
import { LapisError } from '../../protocol/errors.ts';
import type { LapisHost } from '../../protocol/host.ts';
import { harmlessly } from '../harmless.ts';

/** What a measurement has come to. */
export type MeasurementState =
  | { kind: 'none' }
  | { kind: 'running'; done: number; total: number }
  | { kind: 'done'; result: BenchmarkResult }
  | { kind: 'failed'; error: ErrorPayload }
  | { kind: 'cancelled' };

export interface Measurement {
  state: ReadonlySignal<MeasurementState>;
  start(): Promise<void>;
  cancel(): void;
}

/** Runs the host's benchmark for a page; it ends with the page. */
export function useMeasurement(host: LapisHost): Measurement {
  const state = useSignal<MeasurementState>({ kind: 'none' });
  const reader = useRef<ReadableStreamDefaultReader<BenchmarkEvent>>(undefined);

  const cancel = () => {
    reader.current?.cancel().catch(() => {});
    reader.current = undefined;
    if (state.value.kind === 'running') state.value = { kind: 'cancelled' };
  };
  useEffect(() => cancel, []);

  return {
    state,
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
          else if (event.type === 'result') state.value = { kind: 'done', result: event.result };
          else state.value = { kind: 'failed', error: event.error };
        }
      } catch (error) {
        if (state.value.kind === 'running') state.value = { kind: 'failed', error: LapisError.from(error).toPayload() };
      }
    },
  };
}
