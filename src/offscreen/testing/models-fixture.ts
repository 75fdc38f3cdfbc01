import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { TextEngine } from '../../engine/contract.ts';
import { LapisError } from '../../protocol/errors.ts';
import type { GenerateEvent } from '../../protocol/generation.ts';
import { GEMMA_TERMS } from '../../storage/catalogue.ts';
import { ModelStore } from '../../storage/model-store.ts';
import { memoryFileStore } from '../../storage/testing/memory-file-store.ts';
import type { KeyValue } from '../key-value.ts';
import { Models } from '../models.ts';
import { Notices } from '../notices.ts';
import type { RunningModel, StartModel } from '../running-model.ts';
import { StatusBoard } from '../status-board.ts';

const GOLDEN = new URL('../../../tests/goldens/reference/small-Q8_0.gguf', import.meta.url);

export const A = 'file:a.gguf';
export const B = 'file:b.gguf';

/** A model of the catalogue that is not stored. */
export const REMOTE = {
  id: 'remote',
  name: 'Remote',
  bytes: 1_000,
  license: GEMMA_TERMS,
  origin: { kind: 'url' as const, url: 'https://models.example/x.gguf', sha256: '0'.repeat(64) },
};

const TIMINGS = { loadMs: 0, prefillMs: 0, firstTokenMs: 0, decodeTokensPerSecond: 0 };

export function said(text: string): GenerateEvent {
  return { type: 'end', finishReason: 'length', tokens: [1], text, timings: TIMINGS };
}

/** Models over a store in memory, with a GPU on which nothing is computed. */
export async function modelsFixture() {
  const gguf = new Uint8Array(await readFile(GOLDEN));
  const store = await ModelStore.open({ files: memoryFileStore(), packageUrl: (path) => path });
  const kept = new Map<string, unknown>();
  const keyValue: KeyValue = {
    get: async <T>(key: string) => kept.get(key) as T | undefined,
    set: async (key, value) => void kept.set(key, value),
  };
  const notices = await Notices.open(keyValue);
  const status = new StatusBoard(A);
  const log: string[] = [];
  const state = {
    fail: false,
    notice: undefined as string | undefined,
    lose: (_sentence: string) => {},
    /** What the model says to its probe. */
    answer: (): GenerateEvent => said(' blue'),
    /** Whether somebody waits for an answer. */
    answering: false,
    /** What a model waits for on its way onto the GPU. */
    gate: Promise.resolve(),
  };
  const engine = {
    async *generate() {
      yield state.answer();
    },
  } as unknown as TextEngine;
  const start: StartModel = async (source, { signal, onProgress }) => {
    for await (const _ of source.weights({ signal })) if (signal.aborted) break;
    await Promise.race([state.gate, new Promise((resolve) => signal.addEventListener('abort', resolve))]);
    signal.throwIfAborted();
    onProgress({ bytesDone: 7, bytesTotal: 9 });
    if (state.fail) throw new LapisError('no-gpu', 'There is no GPU.');
    log.push(`start ${source.id}`);
    const model: RunningModel = {
      engine,
      adapter: { vendor: 'v', architecture: 'a', description: 'd' },
      softwareAdapter: false,
      features: ['subgroups'],
      benchmark: () => Promise.reject(new LapisError('unsupported', 'Not here.')),
      notice: state.notice,
      gpuBytes: () => 42,
      lost: new Promise((resolve) => {
        state.lose = resolve;
      }),
      destroy: async () => void log.push(`destroy ${source.id}`),
    };
    return model;
  };
  const probed = {
    ...REMOTE,
    id: 'probed',
    origin: { ...REMOTE.origin, sha256: createHash('sha256').update(gguf).digest('hex') },
    probe: { prompt: 'The color of the sky is', answer: ' blue' },
  };
  const stopWork = async () => void log.push('stop work');
  const answering = () => state.answering;
  const models = new Models({
    store,
    status,
    keyValue,
    notices,
    start,
    stopWork,
    answering,
    catalogue: [REMOTE, probed],
  });
  /** A has the bytes of a model of the catalogue, and others one more. */
  const fileOf = (id: string) => new File([gguf, id === A ? '' : '\0'], id.slice('file:'.length));
  const importFile = (id: string) => models.importFile(fileOf(id));
  return { models, store, status, log, state, kept, fileOf, importFile };
}
