import { describe, expect, test, vi } from 'vitest';
import { LapisError } from '../protocol/errors.ts';
import { GEMMA_TERMS } from '../storage/catalogue.ts';
import type { ModelStore } from '../storage/model-store.ts';
import { ModelEntries } from './model-entries.ts';
import { ModelSources } from './model-sources.ts';
import { SELECTED_MODEL_KEY, UNLOADED_KEY } from './models.ts';
import { NOTICES_KEY } from './notices.ts';
import { A, B, modelsFixture as fixture, REMOTE, said } from './testing/models-fixture.ts';

describe('loading', () => {
  test('a model from disk is stored, selected and loaded; callers at the same time share one load', async () => {
    const { models, status, log, kept, importFile } = await fixture();
    await importFile(A);
    const [first, second] = await Promise.all([models.ready(), models.ready()]);
    expect(first).toBe(second);
    expect(log).toEqual([`start ${A}`]);
    expect(status.current).toMatchObject({
      loadedModelId: A,
      selectedModelId: A,
      gpuBytes: 42,
      activity: { kind: 'none' },
    });
    await importFile(B);
    expect(kept.get(SELECTED_MODEL_KEY)).toBe(B);
    expect(log).toEqual([`start ${A}`, 'stop work', `destroy ${A}`, `start ${B}`]);
  });

  test('of another model that fails leaves the one before selected, which the next prompt loads', async () => {
    const { models, status, state, importFile, log } = await fixture();
    await importFile(A);
    state.fail = true;
    await expect(importFile(B)).rejects.toMatchObject({ code: 'no-gpu' });
    expect(status.current).toMatchObject({ selectedModelId: A, error: { code: 'no-gpu' }, activity: { kind: 'none' } });
    expect(status.current.loadedModelId).toBeUndefined();
    state.fail = false;
    await models.ready();
    expect(log.at(-1)).toBe(`start ${A}`);
    expect(status.current.error).toBeUndefined();
  });

  test('shows what the person should know of how the model runs, for as long as it is loaded', async () => {
    const { models, status, state, importFile } = await fixture();
    state.notice = 'Slower kernels are used.';
    await importFile(A);
    expect(status.current.kernelNotice).toBe('Slower kernels are used.');
    state.notice = undefined;
    await importFile(B);
    expect(status.current.kernelNotice).toBeUndefined();
    expect((await models.ready()).notice).toBeUndefined();
  });

  test('happens anew after the device was lost', async () => {
    const { models, status, state, importFile, log } = await fixture();
    await importFile(A);
    state.lose('The GPU was reset.');
    await Promise.resolve();
    await Promise.resolve();
    expect(status.current).toMatchObject({ error: { code: 'device-lost' }, gpuBytes: 0 });
    await models.ready();
    expect(log).toEqual([`start ${A}`, `destroy ${A}`, `start ${A}`]);
  });

  test('of a model that runs is none, and ends the trouble that something else had', async () => {
    const { models, status, importFile, log } = await fixture();
    await importFile(A);
    await expect(models.importFile(new File(['no model'], 'b.gguf'))).rejects.toMatchObject({ code: 'corrupt' });
    expect(status.current).toMatchObject({ loadedModelId: A, error: { code: 'corrupt' } });
    await models.select(A);
    expect(status.current.error).toBeUndefined();
    expect(log).toEqual([`start ${A}`]);
  });

  test('of a model that is not stored says what to do', async () => {
    const { models } = await fixture();
    await expect(models.select('remote')).rejects.toMatchObject({
      code: 'no-model',
      message: expect.stringContaining('download it'),
    });
  });
});

test('what was cancelled says so until it has ended, and the last byte is told however soon it comes', async () => {
  const { models, store, status, importFile } = await fixture();
  await importFile(A);
  let end!: () => void;
  vi.spyOn(store, 'verify').mockImplementation((_, { signal, onProgress } = {}) => {
    for (const done of [7, 8, 9]) onProgress?.(done, 9);
    return new Promise((_, reject) => {
      end = () => reject(signal?.reason);
    });
  });
  const check = models.verify(A).catch((error: LapisError) => error.code);
  await vi.waitFor(() => expect(status.current.activity).toMatchObject({ kind: 'verifying', bytesDone: 9 }));
  expect(status.current.activity).not.toHaveProperty('cancelling');
  const cancelled = models.cancel();
  expect(status.current.activity).toMatchObject({ kind: 'verifying', bytesDone: 9, cancelling: true });
  end();
  await cancelled;
  expect(await check).toBe('aborted');
  expect(status.current.activity).toEqual({ kind: 'none' });
});

test('one long thing at a time: another is refused, and cancelling ends the first without an error to report', async () => {
  const { models, store, status, importFile } = await fixture();
  const first = importFile(A).catch((error: LapisError) => error.code);
  await expect(importFile(B)).rejects.toMatchObject({ code: 'busy' });
  await models.cancel();
  expect(await first).toBe('aborted');
  expect(status.current).toMatchObject({ activity: { kind: 'none' } });
  expect(status.current.error).toBeUndefined();
  expect(store.records()).toEqual([]);
});

describe('the probe', () => {
  test('makes a model suspect, in words, wherever it is used, until it gives the right answer', async () => {
    const { models, store, status, state, importFile } = await fixture();
    state.answer = () => said(' green\u202e');
    await importFile(A);
    const sentence = status.current.suspect;
    expect(sentence).toContain('“The color of the sky is” with “green\\u202e”, not with “blue”');
    expect(store.record(A)?.probe?.outcome).toEqual({ failed: sentence });
    expect(status.current.loadedModelId).toBe(A);
    await importFile(B);
    expect(status.current.suspect).toBeUndefined();

    state.answer = () => said(' blue');
    await models.select(A);
    expect(status.current.suspect).toBeUndefined();
    expect(store.record(A)?.probe?.outcome).toBe('passed');
  });

  test('that cannot be asked says nothing about the model, which serves', async () => {
    const { store, status, state, importFile } = await fixture();
    state.answer = () => ({ type: 'error', error: { code: 'internal', message: 'A defect.' } });
    await importFile(A);
    expect(status.current).toMatchObject({ loadedModelId: A, activity: { kind: 'none' } });
    expect(status.current.suspect).toBeUndefined();
    expect(status.current.error).toBeUndefined();
    expect(store.record(A)?.probe).toBeUndefined();
  });

  test('is not asked of a model whose answer nobody knows', async () => {
    const { store, state, importFile } = await fixture();
    state.answer = () => said(' green');
    await importFile(B);
    expect(store.record(B)?.probe).toBeUndefined();
  });
});

describe('beside something else', () => {
  /** A check of A that goes on until it is ended. */
  const checking = (store: ModelStore) => {
    let end!: () => void;
    vi.spyOn(store, 'verify').mockImplementation(
      (_, { signal } = {}) =>
        new Promise((resolve, reject) => {
          end = () => resolve({ damaged: [], repaired: [] });
          signal?.addEventListener('abort', () => reject(signal.reason));
        }),
    );
    return () => end();
  };

  test('a prompt loads its model, and a failure of that is in the status', async () => {
    const { models, store, status, state, importFile } = await fixture();
    await importFile(A);
    await models.unload();
    const end = checking(store);
    const check = models.verify(A);
    await vi.waitFor(() => expect(status.current.activity.kind).toBe('verifying'));
    state.fail = true;
    const loading = models.ready();
    await expect(loading).rejects.toMatchObject({ code: 'no-gpu' });
    expect(status.current).toMatchObject({ error: { code: 'no-gpu' }, activity: { kind: 'verifying', modelId: A } });
    end();
    expect(await check).toEqual({ damaged: [], repaired: [] });
    expect(status.current.activity).toEqual({ kind: 'none' });
  });

  test('nothing else that takes long is begun, and a cancellation ends what is shown', async () => {
    const { models, store, status, importFile } = await fixture();
    await importFile(A);
    checking(store);
    const check = models.verify(A).catch((error: LapisError) => error.code);
    await expect(importFile(B)).rejects.toMatchObject({ code: 'busy' });
    await expect(models.remove(A)).rejects.toMatchObject({ code: 'busy' });
    await models.cancel();
    expect(await check).toBe('aborted');
    expect(status.current).toMatchObject({ activity: { kind: 'none' }, loadedModelId: A });
    expect(status.current.error).toBeUndefined();
  });
});

test('a model that is given up frees its memory, and the next prompt loads it', async () => {
  const { models, status, importFile, log } = await fixture();
  await importFile(A);
  await models.unload();
  expect(status.current).toMatchObject({ selectedModelId: A, gpuBytes: 0 });
  expect(status.current.loadedModelId).toBeUndefined();
  await models.ready();
  expect(log).toEqual([`start ${A}`, 'stop work', `destroy ${A}`, `start ${A}`]);
});

test('a model that the person unloaded waits for a prompt, also in the next session', async () => {
  const { models, status, state, kept, importFile } = await fixture();
  await importFile(A);
  await models.unload();
  await models.prepare();
  expect(status.current.loadedModelId).toBeUndefined();
  expect(kept.get(UNLOADED_KEY)).toBe(true);
  await models.ready();
  expect(kept.get(UNLOADED_KEY)).toBe(false);
  // Lost is not unloaded.
  state.lose('The GPU was reset.');
  await vi.waitFor(() => expect(status.current.loadedModelId).toBeUndefined());
  await models.prepare();
  expect(status.current.loadedModelId).toBe(A);
});

test('pages can tell when the list of models has changed', async () => {
  const { models, status, importFile } = await fixture();
  const seen: number[] = [status.current.models];
  await importFile(A);
  seen.push(status.current.models);
  await models.remove(A);
  seen.push(status.current.models);
  expect(seen[1]).toBeGreaterThan(seen[0]);
  expect(seen[2]).toBeGreaterThan(seen[1]);
});

test('what was repaired is read in the next session too, until it is dismissed', async () => {
  const { models, store, status, kept, importFile } = await fixture();
  await importFile(A);
  vi.spyOn(store, 'load').mockImplementation(async () => {
    store.notices.push('A was repaired.');
    throw new LapisError('corrupt', 'B is damaged.');
  });
  await models.unload();
  await expect(models.ready()).rejects.toMatchObject({ code: 'corrupt' });
  const shown = status.current.notices;
  expect(shown.map(({ text }) => text)).toEqual(['A was repaired.']);
  await vi.waitFor(() => expect(kept.get(NOTICES_KEY)).toEqual(shown));
  models.refresh();
  expect(status.current.notices).toEqual(shown);
  await models.dismissNotices([shown[0].at]);
  expect(status.current.notices).toEqual([]);
  expect(kept.get(NOTICES_KEY)).toEqual([]);
});

test('a model that had to be deleted is named, and can be forgotten', async () => {
  const { models, store, status } = await fixture();
  const { id, name, bytes, license, origin } = { ...REMOTE, id: 'hub:a/b/c.gguf@1', name: 'c' };
  const offers = vi.spyOn(store, 'offers').mockReturnValue([{ id, name, bytes, license, origin }]);
  const remove = vi.spyOn(store, 'remove');
  await expect(models.select(id)).rejects.toMatchObject({ message: expect.stringMatching(/^c is not stored/) });
  const entries = new ModelEntries({ store, catalogue: [REMOTE], gpuBytes: () => 0 });
  expect(entries.list()[1]).toEqual({ id, name, bytes, license, url: origin.url, stored: false, purged: true });
  expect(new ModelSources([REMOTE], store, { model: () => undefined }).get(id)).toEqual({
    id,
    name,
    bytes,
    license,
    origin,
  });
  const seen = status.current.models;
  await models.remove(id);
  expect(remove).toHaveBeenCalledWith(id);
  expect(status.current.models).toBeGreaterThan(seen);
  offers.mockReturnValue([]);
  await expect(models.remove(id)).rejects.toMatchObject({ code: 'no-model' });
});

test('a removed model is unloaded, and something else becomes the selected one', async () => {
  const { models, status, importFile, log } = await fixture();
  await importFile(A);
  await models.remove(A);
  expect(log.at(-1)).toBe(`destroy ${A}`);
  expect(status.current.selectedModelId).toBe('remote');
  await expect(models.remove(A)).rejects.toMatchObject({ code: 'no-model' });
});

test('what waits for its file is listed with the reason, and can be deleted', async () => {
  const { models, store, log } = await fixture();
  const waiting = { id: B, name: 'b', bytes: 7, license: GEMMA_TERMS, reason: 'Choose its file again.' };
  const remove = vi.spyOn(store, 'remove').mockResolvedValue(7);
  vi.spyOn(store, 'waiting').mockReturnValue([waiting]);
  const { reason, ...shown } = waiting;
  const entries = new ModelEntries({ store, catalogue: [], gpuBytes: () => 0 });
  expect(entries.list()).toEqual([{ ...shown, stored: false, waiting: reason }]);
  await expect(models.select(B)).rejects.toMatchObject({ code: 'no-model', message: reason });
  await models.remove(B);
  expect(remove).toHaveBeenCalledWith(B);
  expect(log).toEqual([]);
});

test('what could not be made anew is, before it is loaded; a model of the catalogue says in its own entry that it waits', async () => {
  const { models, store, status, log, importFile } = await fixture();
  await importFile(A);
  await models.unload();
  const { id, name, license, origin } = REMOTE;
  const reason = 'It could not be made anew.';
  const waits = { bytes: 7, license, reason, renewable: true as const };
  vi.spyOn(store, 'waiting').mockReturnValue([
    { ...waits, id: A, name: 'a' },
    { ...waits, id, name },
  ]);
  const renew = vi.spyOn(store, 'renew');
  renew.mockRejectedValueOnce(new LapisError('quota', 'It could not be made anew, still.'));
  await expect(models.select(A)).rejects.toMatchObject({ code: 'quota' });
  expect(status.current).toMatchObject({ error: { code: 'quota' }, activity: { kind: 'none' } });
  renew.mockResolvedValueOnce(store.record(A)!);
  await models.select(A);
  expect(log.at(-1)).toBe(`start ${A}`);
  const entries = new ModelEntries({ store, catalogue: [REMOTE], gpuBytes: () => 0 }).list();
  const { reason: waiting, ...shown } = waits;
  expect(entries.filter((entry) => entry.id === id)).toEqual([
    { ...shown, id, name, waiting, stored: false, url: origin.url },
  ]);
});
