import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LapisError } from '../../src/protocol/errors.ts';
import type { GenerateEvent, GenerateRequest } from '../../src/protocol/generation.ts';
import type { HostStatus } from '../../src/protocol/host.ts';
import type { ExtensionPage } from '../browser/browser.ts';
import type { RunResult } from '../run-options.ts';
import { cacheDir } from './cache-dir.ts';
import { modelFile } from './model-file.ts';
import { openLapis } from './open-lapis.ts';

export interface PromptOptions {
  request: GenerateRequest;
  /** A .gguf file or the URL of one; the packaged demo model when absent. */
  model?: string;
  json: boolean;
}

/** Answers one prompt on stdout, in a headless browser: page → service worker → offscreen document → engine worker → GPU. */
export async function answerPrompt(
  { request, model, json }: PromptOptions,
  { executable, extensionDir, signal }: { executable: string; extensionDir: string; signal: AbortSignal },
): Promise<void> {
  const file = model === undefined ? undefined : await modelFile(model, signal);
  // A profile for this run alone, on a real disk: runs side by side do not meet, and each shows a fresh install.
  const profileDir = await mkdtemp(join(await cacheDir('headless'), 'profile-'));
  try {
    const options = { executable, extensionDir, profileDir, headless: true };
    const { browser, page } = await openLapis(options, 'src/ui/headless/index.html');
    const interrupted = () => void browser.close();
    signal.addEventListener('abort', interrupted);
    try {
      signal.throwIfAborted();
      if (file !== undefined) await importModel(page, file);
      const { end, promptTokens } = await generate(
        page,
        request,
        json ? () => {} : (text) => process.stdout.write(text),
      );
      if (!json) {
        process.stdout.write('\n');
        return;
      }
      const status = await page.evaluate<HostStatus>('lapis.settle()');
      const { text, tokens, finishReason, timings } = end;
      const result: RunResult = {
        text,
        promptTokens,
        tokens,
        finishReason,
        timings,
        adapter: status.adapter ?? { vendor: '', architecture: '', description: '' },
        model: { id: status.loadedModelId ?? status.selectedModelId, schemaVersion: status.schemaVersion },
      };
      process.stdout.write(`${JSON.stringify(result)}\n`);
    } finally {
      signal.removeEventListener('abort', interrupted);
      await browser.close();
    }
  } finally {
    await rm(profileDir, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function importModel(page: ExtensionPage, file: string): Promise<void> {
  process.stderr.write(`Importing ${file} …\n`);
  await page.chooseFile('#model', file);
  const { id } = await page.evaluate<{ id: string }>('lapis.importFile()');
  await page.evaluate(`lapis.host.selectModel(${JSON.stringify(id)})`);
}

async function generate(
  page: ExtensionPage,
  request: GenerateRequest,
  say: (text: string) => void,
): Promise<{ end: Extract<GenerateEvent, { type: 'end' }>; promptTokens: number[] }> {
  let promptTokens: number[] = [];
  let end: Extract<GenerateEvent, { type: 'end' | 'error' }> | undefined;
  await page.evaluate(
    `lapis.generate(${JSON.stringify(request)}, (event) => lapisEvent(JSON.stringify(event))).then(() => {})`,
    (json) => {
      const event = JSON.parse(json) as GenerateEvent;
      if (event.type === 'start') promptTokens = event.promptTokens;
      else if (event.type === 'text') say(event.text);
      else if (event.type === 'end' || event.type === 'error') end = event;
    },
  );
  if (!end) throw new LapisError('internal', 'The answer ended without an end.');
  if (end.type === 'error') throw LapisError.fromPayload(end.error);
  return { end, promptTokens };
}
