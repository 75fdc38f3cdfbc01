import { expect, test } from 'vitest';
import { AskedWorker } from './asked-worker.ts';
import { failure } from './testing/failure.ts';

/** A worker of the web, seen from outside. */
class FakeWorker {
  onmessage: ((event: { data: unknown }) => void) | undefined;
  onerror: ((event: { message: string }) => void) | undefined;
  onmessageerror: (() => void) | undefined;
  readonly asked: unknown[] = [];
  ended = false;

  postMessage(request: unknown): void {
    this.asked.push(request);
  }

  terminate(): void {
    this.ended = true;
  }
}

function start() {
  const fake = new FakeWorker();
  return { fake, worker: new AskedWorker<string, string>(fake as unknown as Worker, 'The worker that tests') };
}

test('answers reach those who asked, in order', async () => {
  const { fake, worker } = start();
  const answers = [worker.ask('a', []), worker.ask('b', [])];
  expect([fake.asked, worker.asked]).toEqual([['a', 'b'], 2]);
  fake.onmessage!({ data: 'A' });
  fake.onmessage!({ data: 'B' });
  expect(await Promise.all(answers)).toEqual(['A', 'B']);
  expect(worker.asked).toBe(0);
});

test.each([
  ['says so', (fake: FakeWorker) => fake.onmessage!({ data: { failed: 'out of memory' } }), 'out of memory'],
  ['throws', (fake: FakeWorker) => fake.onerror!({ message: 'boom' }), 'boom'],
  ['does not start', (fake: FakeWorker) => fake.onerror!({ message: '' }), 'it did not start'],
  ['answers with what cannot be read', (fake: FakeWorker) => fake.onmessageerror!(), 'could not be read'],
])('one that %s fails whoever waits, and whoever asks later', async (_, fail, reason) => {
  const { fake, worker } = start();
  const waiting = failure(worker.ask('a', []));
  fail(fake);
  for (const error of [await waiting, await failure(worker.ask('b', []))]) {
    expect(error.code).toBe('internal');
    expect(error.message).toMatch(/^The worker that tests has failed: .*\.$/);
    expect(error.message).toContain(reason);
  }
  expect(fake.asked).toEqual(['a']);
});

test('one that is closed lets nobody wait', async () => {
  const { fake, worker } = start();
  const waiting = failure(worker.ask('a', []));
  worker.close();
  expect([(await waiting).code, fake.ended]).toEqual(['aborted', true]);
  expect((await failure(worker.ask('b', []))).code).toBe('aborted');
});
