import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import type { TextEngine } from '../engine/contract.ts';
import { LapisError } from '../protocol/errors.ts';
import { GEMMA_TERMS } from '../storage/catalogue.ts';
import { ModelStore } from '../storage/model-store.ts';
import { memoryFileStore } from '../storage/testing/memory-file-store.ts';
import type { KeyValue } from './key-value.ts';
import { Models, SELECTED_MODEL_KEY } from './models.ts';
import type { RunningModel, StartModel } from './running-model.ts';
import { StatusBoard } from './status-board.ts';

let gguf: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  gguf = new Uint8Array(await readFile(new URL('../../tests/goldens/reference/small-Q8_0.gguf', import.meta.url)));
});

const A = 'file:a.gguf';
const B = 'file:b.gguf';

async function fixture() {
  const store = await ModelStore.open({ files: memoryFileStore(), packageUrl: (path) => path });
  const kept = new Map<string, unknown>();
  const keyValue: KeyValue = {
    get: async <T>(key: string) => kept.get(key) as T | undefined,
    set: async (key, value) => void kept.set(key, value),
  };
  const status = new StatusBoard(A);
  const log: string[] = [];
  const state = { fail: false, notice: undefined as string | undefined, lose: (_sentence: string) => {} };
  const start: StartModel = async (source, { signal }) => {
    for await (const _ of source.weights({ signal })) if (signal.aborted) break;
    if (state.fail) throw new LapisError('no-gpu', 'There is no GPU.');
    log.push(`start ${source.id}`);
    const model: RunningModel = {
      engine: {} as TextEngine,
      adapter: { vendor: 'v', architecture: 'a', description: 'd' },
      softwareAdapter: false,
      notice: state.notice,
      gpuBytes: () => 42,
      lost: new Promise((resolve) => {
        state.lose = resolve;
      }),
      destroy: () => void log.push(`destroy ${source.id}`),
    };
    return model;
  };
  const remote = {
    id: 'remote',
    name: 'Remote',
    bytes: 1_000,
    license: GEMMA_TERMS,
    origin: { kind: 'url' as const, url: 'https://models.example/x.gguf', sha256: '0'.repeat(64) },
  };
  const stopWork = async () => void log.push('stop work');
  const models = new Models({ store, status, keyValue, start, stopWork, catalogue: [remote] });
  const importFile = (id: string) => models.importFile(new File([gguf], id.slice('file:'.length)));
  return { models, store, status, log, state, kept, importFile };
}

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
    expect(status.current.notices).toEqual(['Slower kernels are used.']);
    state.notice = undefined;
    await importFile(B);
    expect(status.current.notices).toEqual([]);
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

test('a removed model is unloaded, and something else becomes the selected one', async () => {
  const { models, status, importFile, log } = await fixture();
  await importFile(A);
  await models.remove(A);
  expect(log.at(-1)).toBe(`destroy ${A}`);
  expect(status.current.selectedModelId).toBe('remote');
  await expect(models.remove(A)).rejects.toMatchObject({ code: 'no-model' });
});
