import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import type { DownloadState, HostStatus } from '../../src/protocol/host.ts';
import { directoryOf } from '../../src/storage/record.ts';
import type { Headless } from '../../src/ui/headless/headless.ts';
import { smallFile } from '../../tools/synthetic-file/synthetic-file.ts';
import { randomBits } from '../fixtures/tiny-model.ts';
import type { Lapis } from './harness.ts';
import type { Pin } from './repinned.ts';

declare const lapis: Headless;

/** How the downloads that a page has asked for have ended: `stored`, or why not. */
declare const outcomes: Record<string, string | undefined>;

/** Bytes that are written at once: what an end of whatever kind may cost. */
export const CHUNK = 4 * 1024 * 1024;

/** A small model that answers, with a tail that no tensor is in, so that it is downloaded in several chunks. */
export async function modelWithTail(bytes: number, seed = 1): Promise<Uint8Array> {
  const model = new Uint8Array(bytes);
  let at = 0;
  for await (const piece of smallFile().pieces()) {
    model.set(piece, at);
    at += piece.length;
  }
  const next = randomBits(seed);
  for (; at < bytes; at++) model[at] = next();
  return model;
}

export function contentOf(bytes: Uint8Array): { bytes: number; sha256: string } {
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** Asks again and again until there is something to say, whatever dies meanwhile. */
export async function until<T>(what: string, ask: () => Promise<T | undefined | false>, limitMs = 90_000): Promise<T> {
  const end = performance.now() + limitMs;
  let trouble: unknown;
  while (performance.now() < end) {
    try {
      const answer = await ask();
      if (answer) return answer;
      trouble = undefined;
    } catch (error) {
      trouble = error;
    }
    await pause(50);
  }
  throw new Error(`Waited in vain until ${what}.`, { cause: trouble });
}

/** The status of the host as it is now, through whatever page. */
export function statusOf(page: Page): Promise<HostStatus> {
  return page.evaluate(async () => {
    const reader = (await lapis.host.watchStatus()).getReader();
    const { value } = await reader.read();
    await reader.cancel();
    if (!value) throw new Error('The status ended.');
    return value;
  });
}

/** Waits until the download is as `of` wants it. */
export function untilDownload(
  page: Page,
  { id }: Pin,
  what: string,
  of: (state: DownloadState) => boolean,
): Promise<DownloadState> {
  return until(`the download ${what}`, async () => {
    const { downloads } = await statusOf(page);
    const state = downloads.find(({ modelId }) => modelId === id);
    return state && of(state) && state;
  });
}

/** Asks for the model and does not wait for it. */
export async function begin(page: Page, { id }: Pin): Promise<void> {
  await page.evaluate((id) => {
    const page = globalThis as { outcomes?: typeof outcomes };
    page.outcomes = { ...page.outcomes, [id]: undefined };
    lapis.host.downloadModel(id).then(
      () => {
        outcomes[id] = 'stored';
      },
      ({ message }: Error) => {
        outcomes[id] = message;
      },
    );
  }, id);
}

/** How what `begin` began has ended. */
export function outcome(page: Page, { id }: Pin): Promise<string> {
  return until(`the call for ${id} is answered`, () => page.evaluate((id) => outcomes[id], id));
}

/** Waits until the model is stored, whoever asked for it. */
export function untilStored(page: Page, browser: Lapis, { id }: Pin) {
  return until(`${id} is stored`, async () =>
    (await browser.hostCall(page, 'listModels')).find((model) => model.id === id && model.stored),
  );
}

/** The names and sizes of all that is stored of a model. */
export function storedFiles(page: Page, { id }: Pick<Pin, 'id'>): Promise<Record<string, number>> {
  return page.evaluate(async (name) => {
    const found: Record<string, number> = {};
    const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models', { create: true });
    for await (const directory of models.values()) {
      if (directory.name !== name) continue;
      for await (const file of (directory as FileSystemDirectoryHandle).values()) {
        found[file.name] = (await (file as FileSystemFileHandle).getFile()).size;
      }
    }
    return found;
  }, directoryOf(id));
}

/** The SHA-256 of a stored model's shards, joined, as the page reads them. */
export function storedHash(page: Page, { id }: Pick<Pin, 'id'>): Promise<string> {
  return page.evaluate(async (name) => {
    const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
    const parts: [string, File][] = [];
    for await (const [file, handle] of (await models.getDirectoryHandle(name)).entries()) {
      if (file.startsWith('shard-')) parts.push([file, await (handle as FileSystemFileHandle).getFile()]);
    }
    const files = parts.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, file]) => file);
    const digest = await crypto.subtle.digest('SHA-256', await new Blob(files).arrayBuffer());
    return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
  }, directoryOf(id));
}

/** That the model answers: with random weights no text is right, but there is one. */
export async function answers(page: Page, browser: Lapis, { id }: Pick<Pin, 'id'>): Promise<number> {
  await browser.hostCall(page, 'selectModel', id);
  const last = await page.evaluate(async () => {
    const prompt = { kind: 'completion' as const, text: 'The color of the sky is' };
    return (await lapis.generate({ prompt, maxTokens: 3, sampling: { temperature: 0 } })).at(-1);
  });
  if (last?.type !== 'end') throw new Error(JSON.stringify(last));
  return last.tokens.length;
}
