import { describe, expect, test, vi } from 'vitest';
import { LapisError } from '../protocol/errors.ts';
import { memoryDirectory } from '../storage/testing/memory-directory.ts';
import { A, B, modelsFixture, said } from './testing/models-fixture.ts';

/** B is selected and on the GPU; A, a model of the catalogue, has just been stored. */
async function stored() {
  const all = await modelsFixture();
  await all.importFile(B);
  await all.store.importFile(all.fileOf(A));
  all.log.length = 0;
  return all;
}

/** Lets the GPU be reached by nobody until the returned function is called. */
function hold({ state }: Awaited<ReturnType<typeof stored>>): () => void {
  let open!: () => void;
  state.gate = new Promise((resolve) => {
    open = resolve;
  });
  return open;
}

test('a model of the catalogue is asked after it was stored, and the selected one comes back with the next prompt', async () => {
  const { models, store, status, log, state } = await stored();
  state.answer = () => said(' green');
  const listed = status.current.models;
  models.probe(A);
  expect(status.current.activity).toMatchObject({ kind: 'probing', modelId: A });
  await vi.waitFor(() => expect(status.current.activity).toEqual({ kind: 'none' }));
  expect(store.record(A)?.probe?.outcome).toEqual({ failed: expect.stringContaining('“green”') });
  expect(store.record(A)?.lastUsedAt).toBeUndefined();
  expect(status.current.models).toBeGreaterThan(listed);
  // Never two on the GPU.
  expect(log).toEqual(['stop work', `destroy ${B}`, `start ${A}`, `destroy ${A}`]);
  expect(status.current).toMatchObject({ selectedModelId: B, gpuBytes: 0 });
  expect(status.current.loadedModelId).toBeUndefined();
  expect(status.current.suspect).toBeUndefined();
  await models.ready();
  expect(log.at(-1)).toBe(`start ${B}`);
});

test('it waits for the end of an answer', async () => {
  const { models, store, status, log, state } = await stored();
  state.answering = true;
  models.probe(A);
  expect(status.current).toMatchObject({ activity: { kind: 'none' }, loadedModelId: B });
  expect(log).toEqual([]);
  state.answering = false;
  models.goOn();
  await vi.waitFor(() => expect(store.record(A)?.probe?.outcome).toBe('passed'));
});

test('an answer that is asked for meanwhile comes first, and the probe is left to the next load', async () => {
  const all = await stored();
  const { models, store, status, log, state } = all;
  const open = hold(all);
  models.probe(A);
  await vi.waitFor(() => expect(log).toContain(`destroy ${B}`));
  const ready = models.ready();
  await vi.waitFor(() => expect(status.current.activity.kind).toBe('loading'));
  open();
  await ready;
  expect(log).toEqual(['stop work', `destroy ${B}`, `start ${B}`]);
  expect(status.current).toMatchObject({ loadedModelId: B, selectedModelId: B, activity: { kind: 'none' } });
  expect(status.current.error).toBeUndefined();
  expect(store.record(A)?.probe).toBeUndefined();
  state.gate = Promise.resolve();
  await models.select(A);
  expect(store.record(A)?.probe?.outcome).toBe('passed');
});

describe('a model that is wanted while it is on its way to its probe', () => {
  /** A is on its way, and then selected. `loads` counts how often a model was begun with. */
  async function wanted() {
    const all = await stored();
    const loads = vi.spyOn(all.store, 'load');
    const open = hold(all);
    all.models.probe(A);
    await vi.waitFor(() => expect(all.log).toContain(`destroy ${B}`));
    const selected = all.models.select(A);
    // What fails before it is looked at is no defect.
    selected.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve));
    return { ...all, loads, open, selected };
  }

  test('is loaded and asked once', async () => {
    const { store, status, log, state, loads, open, selected } = await wanted();
    const answer = vi.spyOn(state, 'answer');
    open();
    await selected;
    expect(loads).toHaveBeenCalledOnce();
    expect(answer).toHaveBeenCalledOnce();
    expect(log).toEqual(['stop work', `destroy ${B}`, `start ${A}`]);
    expect(status.current).toMatchObject({ loadedModelId: A, selectedModelId: A, activity: { kind: 'none' } });
    expect(store.record(A)?.probe?.outcome).toBe('passed');
  });

  test('is shown as being loaded, with what has come of it, and nothing else is begun or ends that', async () => {
    const { models, store, status, fileOf, loads, open, selected } = await wanted();
    expect(status.current.activity).toMatchObject({ kind: 'loading', modelId: A });
    for (const refused of [
      () => models.importFile(fileOf(B)),
      () => models.importFolder(memoryDirectory('folder')),
      () => models.exportTo(B, memoryDirectory('out')),
      () => models.verify(B),
      () => models.remove(B),
      () => models.unload(),
    ]) {
      await expect(refused()).rejects.toMatchObject({ code: 'busy', message: expect.stringContaining('loading') });
    }
    const update = vi.spyOn(status, 'update');
    open();
    await selected;
    expect(update).toHaveBeenCalledWith({ activity: { kind: 'loading', modelId: A, bytesDone: 7, bytesTotal: 9 } });
    expect(loads).toHaveBeenCalledOnce();
    expect(store.record(B)).toBeDefined();
    expect(status.current).toMatchObject({ loadedModelId: A, activity: { kind: 'none' } });
  });

  test('is not loaded again once that was cancelled', async () => {
    const { models, status, loads, selected } = await wanted();
    await models.cancel();
    await expect(selected).rejects.toMatchObject({ code: 'aborted' });
    expect(loads).toHaveBeenCalledOnce();
    expect(status.current).toMatchObject({ selectedModelId: B, activity: { kind: 'none' } });
    expect(status.current.loadedModelId).toBeUndefined();
    expect(status.current.error).toBeUndefined();
  });

  test('is not loaded again when it cannot be, which is said', async () => {
    const { status, state, loads, open, selected } = await wanted();
    state.fail = true;
    open();
    await expect(selected).rejects.toMatchObject({ code: 'no-gpu' });
    expect(loads).toHaveBeenCalledOnce();
    expect(status.current).toMatchObject({ error: { code: 'no-gpu' }, selectedModelId: B, activity: { kind: 'none' } });
  });

  test('is loaded for who wants it after its probe was cancelled', async () => {
    const all = await stored();
    const { models, status, state } = all;
    const open = hold(all);
    models.probe(A);
    await vi.waitFor(() => expect(status.current.activity.kind).toBe('probing'));
    const cancelled = models.cancel();
    open();
    state.gate = Promise.resolve();
    await Promise.all([cancelled, models.select(A)]);
    expect(status.current).toMatchObject({ loadedModelId: A, selectedModelId: A });
  });
});

test('whatever else a person does comes first too', async () => {
  const all = await stored();
  const { models, store, status } = all;
  hold(all);
  for (const act of [() => models.verify(B), () => models.unload(), () => models.cancel(), () => models.remove(A)]) {
    models.probe(A);
    await vi.waitFor(() => expect(status.current.activity.kind).toBe('probing'));
    await act();
    await vi.waitFor(() => expect(status.current.activity.kind).toBe('none'));
    expect(status.current.error).toBeUndefined();
  }
  expect(store.record(A)).toBeUndefined();
});

test('a model that does not load is no trouble until it is used, and hides no other', async () => {
  const { models, status, state } = await stored();
  state.fail = true;
  const error = new LapisError('network', 'Something before.').toPayload();
  status.update({ error });
  models.probe(A);
  await vi.waitFor(() => expect(status.current.activity.kind).toBe('none'));
  expect(status.current.error).toEqual(error);
});

test('a model that is not in the catalogue, or was asked, is left alone', async () => {
  const { models, log } = await stored();
  models.probe(B);
  await models.select(A);
  await models.select(B);
  log.length = 0;
  models.probe(A);
  await new Promise((resolve) => setTimeout(resolve));
  expect(log).toEqual([]);
});
