import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { GenerateOptions, TextEngine } from '../engine/contract.ts';
import type { BenchmarkResult } from '../protocol/benchmark.ts';
import type { GenerateRequest } from '../protocol/generation.ts';
import type { CatalogueModel } from '../storage/catalogue.ts';
import { GEMMA_TERMS } from '../storage/catalogue.ts';
import { ModelStore } from '../storage/model-store.ts';
import { sendRange, serve } from '../storage/testing/file-server.ts';
import { memoryFileStore } from '../storage/testing/memory-file-store.ts';
import type { EngineHost } from './engine-host.ts';
import { openEngineHost } from './engine-host.ts';
import type { RunningModel } from './running-model.ts';
import { memoryKeyValue } from './testing/memory-key-value.ts';
import { said } from './testing/models-fixture.ts';

let gguf: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  gguf = new Uint8Array(await readFile(new URL('../../tests/goldens/reference/small-Q8_0.gguf', import.meta.url)));
});
afterEach(() => vi.restoreAllMocks());

const PROBE = { prompt: 'The color of the sky is', answer: ' blue' };

/** A host over a disk in memory, with a GPU on which nothing is computed: what is asked of it ends when the test says so. */
async function machine() {
  const files = memoryFileStore();
  const url = await serve((request, response) => sendRange(gguf, request, response));
  const sha256 = createHash('sha256').update(gguf).digest('hex');
  const license = GEMMA_TERMS;
  const remote: CatalogueModel = {
    ...{ id: 'remote', name: 'Remote', bytes: gguf.length, license, probe: PROBE },
    origin: { kind: 'url', url, sha256 },
  };
  const storage = { files, packageUrl: (path: string) => path };
  const started: string[] = [];
  let end!: () => void;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const engine = {
    async *generate({ prompt }: GenerateRequest, { signal }: GenerateOptions) {
      const probed = prompt.kind === 'completion' && prompt.text === PROBE.prompt;
      if (!probed) await Promise.race([ended, aborted(signal)]);
      yield said(' green');
    },
  } as unknown as TextEngine;
  const open = async () => {
    const host = await openEngineHost({
      storage,
      catalogue: [remote],
      keyValue: memoryKeyValue(),
      gpuBytes: () => 0,
      async start(source) {
        for await (const _ of source.weights());
        started.push(source.id);
        const model: RunningModel = {
          engine,
          adapter: { vendor: 'v', architecture: 'a', description: 'd' },
          softwareAdapter: false,
          features: [],
          benchmark: ({ signal }) => Promise.race([ended, aborted(signal)]).then(() => ({}) as BenchmarkResult),
          gpuBytes: () => 0,
          lost: new Promise(() => {}),
          destroy: async () => {},
        };
        return model;
      },
    });
    await host.acceptTerms(license.url);
    return host;
  };
  return { open, storage, remote, started, end };
}

function aborted(signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal?.addEventListener('abort', () => resolve()));
}

async function drained(stream: ReadableStream<unknown>): Promise<void> {
  for await (const _ of stream as unknown as AsyncIterable<unknown>);
}

const generation = (host: EngineHost) => host.generate({ prompt: { kind: 'completion', text: 'Once' } });

test.each([
  ['an answer', generation],
  ['a measurement', (host: EngineHost) => host.runBenchmark()],
])('a model that was downloaded meanwhile is asked its probe at the end of %s', async (_, ask) => {
  const { open, remote, started, end } = await machine();
  const host = await open();
  const mine = await host.importModel(new File([gguf, '\0'], 'mine.gguf'));
  const asked = drained(await ask(host));
  await vi.waitFor(() => expect(host.busy()).toBe(true));
  await host.downloadModel(remote.id);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(started).toEqual([mine.id]);
  end();
  await asked;
  const suspect = () => host.listModels().then((models) => models.find(({ id }) => id === remote.id)?.suspect);
  await vi.waitFor(async () => expect(await suspect()).toContain('“green”'));
  expect(started).toEqual([mine.id, remote.id]);
});

test('a prompt loads a model that the person unloaded, and opening the conversation does not', async () => {
  const { open, started, end } = await machine();
  const host = await open();
  const mine = await host.importModel(new File([gguf, '\0'], 'mine.gguf'));
  await host.unloadModel();
  await host.watchChat();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(started).toEqual([mine.id]);
  end();
  await drained(await generation(host));
  expect(started).toEqual([mine.id, mine.id]);
});

test('a download of what an earlier engine has looked up is joined by its id', async () => {
  const { open, storage, remote } = await machine();
  const found = { ...remote, id: 'url:found:0123456789ab', origin: { kind: 'url' as const, url: '' } };
  if (remote.origin.kind === 'url') found.origin.url = remote.origin.url;
  const stop = new AbortController();
  const store = await ModelStore.open({ ...storage, chunkBytes: 1024 });
  const begun = store.download(found, { signal: stop.signal, onProgress: (done) => done > 4096 && stop.abort() });
  await expect(begun).rejects.toMatchObject({ code: 'aborted' });
  await store.setPaused(found.id, true);

  const host = await open();
  expect(await host.downloadModel(found.id)).toMatchObject({ id: found.id, stored: true });
});
