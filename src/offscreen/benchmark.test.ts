import { expect, test, vi } from 'vitest';
import type { BenchmarkEvent, BenchmarkResult } from '../protocol/benchmark.ts';
import { LapisError } from '../protocol/errors.ts';
import { Benchmark } from './benchmark.ts';
import type { RunningModel } from './running-model.ts';

const RESULT = { model: 'demo', decodeTokensPerSecond: 7 } as BenchmarkResult;

function fixture() {
  const state = {
    generating: false,
    /** What the measurement waits for. */
    finish: () => {},
    progress: (_done: number, _total: number) => {},
    ended: false,
    load: Promise.resolve(),
  };
  const model = {
    benchmark: ({ signal, onProgress }: Parameters<RunningModel['benchmark']>[0]) =>
      new Promise<BenchmarkResult>((resolve, reject) => {
        state.progress = onProgress;
        state.finish = () => resolve(RESULT);
        signal.addEventListener('abort', () => {
          state.ended = true;
          reject(signal.reason);
        });
      }),
  } as RunningModel;
  const benchmark = new Benchmark({
    ready: async () => {
      await state.load;
      return model;
    },
    generating: () => state.generating,
    tellEveryMs: 0,
  });
  return { benchmark, state };
}

async function all(stream: ReadableStream<BenchmarkEvent>): Promise<BenchmarkEvent[]> {
  const events: BenchmarkEvent[] = [];
  for await (const event of stream as unknown as AsyncIterable<BenchmarkEvent>) events.push(event);
  return events;
}

const begun = (state: { progress: unknown }, nothing: unknown) =>
  vi.waitFor(() => expect(state.progress).not.toBe(nothing));

test('progress, then the result, then the next one may run', async () => {
  const { benchmark, state } = fixture();
  const before = state.progress;
  const events = all(benchmark.run());
  await begun(state, before);
  expect(benchmark.running).toBe(true);
  state.progress(3, 10);
  state.progress(10, 10);
  state.finish();
  expect(await events).toEqual([
    { type: 'progress', done: 3, total: 10 },
    { type: 'progress', done: 10, total: 10 },
    { type: 'result', result: RESULT },
  ]);
  expect(benchmark.running).toBe(false);
  await benchmark.run().cancel();
});

test('it is refused while an answer is written, and while another runs', async () => {
  const { benchmark, state } = fixture();
  state.generating = true;
  expect(() => benchmark.run()).toThrow(expect.objectContaining({ code: 'busy' }));
  state.generating = false;
  const stream = benchmark.run();
  expect(() => benchmark.run()).toThrow(expect.objectContaining({ code: 'busy' }));
  await stream.cancel();
});

test('cancelling the stream ends the measurement', async () => {
  const { benchmark, state } = fixture();
  const before = state.progress;
  const stream = benchmark.run();
  await begun(state, before);
  await stream.cancel();
  await vi.waitFor(() => expect(benchmark.running).toBe(false));
  expect(state.ended).toBe(true);
});

test('the next one may be asked for while a cancelled one has yet to end', async () => {
  const { benchmark, state } = fixture();
  const before = state.progress;
  const stream = benchmark.run();
  await begun(state, before);
  const cancelled = stream.cancel();
  const first = state.progress;
  const events = all(benchmark.run());
  expect(benchmark.running).toBe(true);
  await cancelled;
  await begun(state, first);
  state.finish();
  expect(await events).toEqual([{ type: 'result', result: RESULT }]);
  expect(benchmark.running).toBe(false);
});

test('an answer that is asked for comes first, and the reader learns why', async () => {
  const { benchmark, state } = fixture();
  const before = state.progress;
  const events = all(benchmark.run());
  await begun(state, before);
  await benchmark.giveWay('An answer was asked for.');
  expect(benchmark.running).toBe(false);
  expect(state.ended).toBe(true);
  expect(await events).toEqual([
    { type: 'error', error: new LapisError('aborted', 'An answer was asked for.').toPayload() },
  ]);
  await benchmark.giveWay('Nothing runs.');
});

test('a load that waits for the measurement to end is not waited for', async () => {
  const { benchmark, state } = fixture();
  state.load = new Promise(() => {});
  const events = all(benchmark.run());
  await benchmark.giveWay('Another model is loaded.');
  expect(await events).toMatchObject([{ type: 'error', error: { code: 'aborted' } }]);
});

test('what keeps a model from loading is the error', async () => {
  const { benchmark, state } = fixture();
  state.load = Promise.reject(new LapisError('no-gpu', 'There is no GPU.'));
  expect(await all(benchmark.run())).toMatchObject([{ type: 'error', error: { code: 'no-gpu' } }]);
});
