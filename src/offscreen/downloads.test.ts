import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LapisError } from '../protocol/errors.ts';
import type { KeptDownload } from '../protocol/kept-downloads.ts';
import { DOWNLOADS_KEY } from '../protocol/kept-downloads.ts';
import { GEMMA_TERMS } from '../storage/catalogue.ts';
import { AnotherSize } from '../storage/download-model.ts';
import type { DownloadableModel, DownloadOptions } from '../storage/model-store.ts';
import type { ModelRecord } from '../storage/record.ts';
import type { DownloadStore } from './downloads.ts';
import { Downloads } from './downloads.ts';
import { StatusBoard } from './status-board.ts';
import { memoryKeyValue } from './testing/memory-key-value.ts';

const MB = 1_000_000;

function model(id: string): DownloadableModel {
  const origin = { kind: 'url' as const, url: `https://models.example/${id}.gguf` };
  return { id, name: `Model ${id}`, bytes: 100 * MB, license: GEMMA_TERMS, origin };
}
const A = model('a');
const B = model('b');

/** One attempt of the store, which the test brings on and ends. */
interface Attempt {
  id: string;
  bytes: number;
  options: DownloadOptions;
  finish(): void;
  fail(error: Error): void;
}

/** A disk that outlives the engine workers, and what they do with it. */
function machine() {
  const keyValue = memoryKeyValue();
  const journals = new Map<string, { model: DownloadableModel; bytesDone: number; paused: boolean }>();
  const stored = new Map<string, ModelRecord>();
  const log: string[] = [];

  /** A new engine worker on what the one before left. */
  const boot = async () => {
    const attempts: Attempt[] = [];
    const store: DownloadStore = {
      record: (id) => stored.get(id),
      unfinished: async () => [...journals.values()].map((journal) => ({ ...journal, bytesTotal: 100 * MB })),
      async setPaused(id, paused) {
        const journal = journals.get(id);
        if (!journal) throw new LapisError('no-model', 'There is no such download.');
        journal.paused = paused;
      },
      async discard(id) {
        log.push(`discard ${id}`);
        journals.delete(id);
        return 0;
      },
      download: (wanted, options = {}) =>
        new Promise((resolve, reject) => {
          const { id, bytes } = wanted;
          const journal = journals.get(id) ?? { model: wanted, bytesDone: 0, paused: false };
          journals.set(id, journal);
          const onProgress: DownloadOptions['onProgress'] = (done, total) => {
            journal.bytesDone = done;
            options.onProgress?.(done, total);
          };
          options.signal?.addEventListener('abort', () => reject(options.signal?.reason));
          attempts.push({
            id,
            bytes,
            options: { ...options, onProgress },
            finish() {
              journals.delete(id);
              stored.set(id, { id } as ModelRecord);
              resolve({ id } as ModelRecord);
            },
            fail: reject,
          });
        }),
    };
    const status = new StatusBoard('demo');
    const downloads = new Downloads({
      store,
      status,
      keyValue,
      onDisk: () => log.push('disk'),
      onStored: (id) => log.push(`stored ${id}`),
    });
    await downloads.restore();
    const state = (id: string) => status.current.downloads.find(({ modelId }) => modelId === id);
    return { downloads, attempts, status, state };
  };
  return { boot, keyValue, journals, stored, log };
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'stored',
    (error: LapisError) => error.code,
  );

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());
const settle = () => vi.advanceTimersByTimeAsync(0);

describe('a download', () => {
  test('is shared by all who ask for the model, and each hears that it is stored', async () => {
    const { boot, log } = machine();
    const { downloads, attempts, status } = await boot();
    const asked = [downloads.start(A), downloads.start(A), downloads.start(A)];
    await settle();
    expect(attempts).toHaveLength(1);
    expect(downloads.busy).toBe(true);
    attempts[0].finish();
    expect((await Promise.all(asked)).map(({ id }) => id)).toEqual(['a', 'a', 'a']);
    expect(log).toContain('stored a');
    expect(status.current.downloads).toEqual([]);
    expect(downloads.busy).toBe(false);
  });

  test('waits while another one runs, and starts when that one is stored, paused or has failed', async () => {
    const { downloads, attempts, state } = await machine().boot();
    downloads.start(A).catch(() => {});
    downloads.start(B);
    await settle();
    expect([state('a')?.phase, state('b')?.phase]).toEqual(['downloading', 'queued']);
    await downloads.pause('a');
    expect([state('a')?.phase, state('b')?.phase]).toEqual(['paused', 'downloading']);
    await downloads.resume('a');
    expect([state('a')?.phase, state('b')?.phase]).toEqual(['queued', 'downloading']);
    attempts[1].fail(new LapisError('network', 'The network is down.'));
    await settle();
    expect([state('a')?.phase, state('b')?.phase]).toEqual(['downloading', 'failed']);
    expect(attempts.map(({ id }) => id)).toEqual(['a', 'b', 'a']);
  });

  test('shows its bytes, its speed over the last seconds, the time that is left, and what it waits for', async () => {
    const { downloads, attempts, state } = await machine().boot();
    downloads.start(A);
    await settle();
    const [{ options }] = attempts;
    for (let second = 0; second <= 10; second++) {
      options.onProgress?.(second * MB, 100 * MB);
      await vi.advanceTimersByTimeAsync(1_000);
    }
    expect(state('a')).toMatchObject({ phase: 'downloading', host: 'models.example', bytesDone: 10 * MB });
    expect(state('a')?.bytesPerSecond).toBeCloseTo(MB, -5);
    expect(state('a')?.secondsLeft).toBeGreaterThan(80);
    expect(state('a')?.secondsLeft).toBeLessThan(115);

    const error = { code: 'network' as const, message: 'The connection broke off.' };
    options.onPhase?.('retrying', { retryAt: 5_000, error });
    expect(state('a')).toMatchObject({ phase: 'retrying', retryAt: 5_000, error });
    expect(state('a')?.bytesPerSecond).toBeUndefined();
    options.onPhase?.('downloading');
    expect(state('a')?.error).toBeUndefined();
    expect(state('a')?.retryAt).toBeUndefined();
    options.onNotice?.('The file was changed.');
    options.onPhase?.('preparing');
    expect(state('a')).toMatchObject({ phase: 'preparing', notice: 'The file was changed.' });
  });

  test('that stands still shows that it does', async () => {
    const { downloads, attempts, state } = await machine().boot();
    downloads.start(A);
    await settle();
    attempts[0].options.onProgress?.(0, 100 * MB);
    await vi.advanceTimersByTimeAsync(1_000);
    attempts[0].options.onProgress?.(5 * MB, 100 * MB);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(state('a')?.bytesPerSecond).toBeGreaterThan(0);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(state('a')?.bytesPerSecond).toBe(0);
    expect(state('a')?.secondsLeft).toBeUndefined();
  });

  test('that failed says why, tells who waited, and can be gone on with', async () => {
    const { downloads, attempts, state } = await machine().boot();
    const first = codeOf(downloads.start(A));
    await settle();
    attempts[0].options.onProgress?.(40 * MB, 100 * MB);
    attempts[0].fail(new LapisError('quota', 'The disk is full.'));
    expect(await first).toBe('quota');
    expect(state('a')).toMatchObject({ phase: 'failed', error: { code: 'quota' }, bytesDone: 40 * MB });
    const second = codeOf(downloads.start(A));
    await settle();
    expect(state('a')).toMatchObject({ phase: 'downloading', bytesDone: 40 * MB });
    expect(state('a')?.error).toBeUndefined();
    attempts[1].finish();
    expect(await second).toBe('stored');
  });

  test('that is paused keeps who waits waiting until it has been resumed', async () => {
    const { downloads, attempts, state } = await machine().boot();
    const asked = codeOf(downloads.start(A));
    await settle();
    await downloads.pause('a');
    expect(attempts[0].options.signal?.reason).toMatchObject({ code: 'aborted' });
    expect(state('a')?.phase).toBe('paused');
    expect(downloads.busy).toBe(false);
    await downloads.pause('a');
    await downloads.resume('a');
    expect(state('a')?.phase).toBe('downloading');
    attempts[1].finish();
    expect(await asked).toBe('stored');
  });

  test('whose source has another file of another size rests, says why, and fetches that after a click, even a day later', async () => {
    const { boot, journals } = machine();
    const before = await boot();
    before.downloads.start(A).catch(() => {});
    await settle();
    before.attempts[0].options.onProgress?.(60 * MB, 100 * MB);
    journals.clear();
    const error = new AnotherSize('models.example now has a file of 120 bytes', { ...A, bytes: 120 * MB });
    before.attempts[0].fail(error);
    await settle();
    const rests = { phase: 'paused', notice: error.message, anotherSize: true, bytesDone: 0, bytesTotal: 120 * MB };
    expect(before.state('a')).toMatchObject(rests);
    expect(before.attempts).toHaveLength(1);
    await before.downloads.resume('a');
    expect(before.attempts[1].bytes).toBe(120 * MB);
    expect(before.state('a')?.notice).toBeUndefined();
    expect(before.state('a')?.anotherSize).toBeUndefined();
    journals.clear();
    before.attempts[1].fail(error);
    await settle();

    const { downloads, attempts, state } = await boot();
    expect(state('a')).toMatchObject(rests);
    await downloads.resume('a');
    expect(attempts[0].bytes).toBe(120 * MB);
  });

  test('that is cancelled is deleted, tells who waited, and begins anew when it is asked for again', async () => {
    const { boot, log } = machine();
    const { downloads, attempts, status } = await boot();
    const asked = codeOf(downloads.start(A));
    await settle();
    const cancelled = downloads.cancel('a');
    const again = codeOf(downloads.start(A));
    await cancelled;
    expect(await asked).toBe('aborted');
    await settle();
    expect(log.filter((line) => line.startsWith('discard'))).toEqual(['discard a']);
    expect(attempts).toHaveLength(2);
    attempts[1].finish();
    expect(await again).toBe('stored');
    expect(status.current.downloads).toEqual([]);
    await expect(downloads.cancel('a')).rejects.toMatchObject({ code: 'no-model' });
  });
});

describe('after a crash', () => {
  test('what was under way goes on by itself, what was paused stays so, what waited its turn waits again', async () => {
    const { boot, keyValue } = machine();
    const before = await boot();
    for (const id of ['a', 'b', 'c', 'd']) before.downloads.start(model(id)).catch(() => {});
    await settle();
    before.attempts[0].options.onProgress?.(30 * MB, 100 * MB);
    await before.downloads.pause('a');
    await before.downloads.pause('d');
    before.attempts[1].options.onProgress?.(60 * MB, 100 * MB);
    await settle();

    const { attempts, state, downloads } = await boot();
    expect(attempts.map(({ id }) => id)).toEqual(['b']);
    expect(state('a')).toMatchObject({ phase: 'paused', bytesDone: 30 * MB });
    expect(state('b')).toMatchObject({ phase: 'downloading', bytesDone: 60 * MB });
    expect(state('c')?.phase).toBe('queued');
    expect(state('d')?.phase).toBe('paused');
    const kept = async () => ((await keyValue.get<KeptDownload[]>(DOWNLOADS_KEY)) ?? []).map(({ paused }) => paused);
    expect(await kept()).toEqual([true, false, false, true]);
    const asked = codeOf(downloads.start(B));
    attempts[0].finish();
    expect(await asked).toBe('stored');
    await settle();
    attempts[1].finish();
    await settle();
    expect(await kept()).toEqual([true, true]);
  });
});
