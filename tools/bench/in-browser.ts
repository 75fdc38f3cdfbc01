import { existsSync } from 'node:fs';
import { copyFile, cp, mkdtemp, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median } from '../../src/gpu/bench/measure.ts';
import { defaultChatSettings } from '../../src/protocol/chat-settings.ts';
import { LapisError } from '../../src/protocol/errors.ts';
import type { GenerateEvent, GenerateRequest, SamplingOptions, Timings } from '../../src/protocol/generation.ts';
import type { HostStatus } from '../../src/protocol/host.ts';
import type { ExtensionPage } from '../browser/browser.ts';
import type { Command } from '../command-line.ts';
import { numberFlag, required } from '../flags.ts';
import { runProgram } from '../process.ts';
import { findBrowser } from '../setup/browser.mjs';
import { cacheDir } from '../start/cache-dir.ts';
import { modelFile } from '../start/model-file.ts';
import { openLapis } from '../start/open-lapis.ts';
import type { PlainStep } from './plain-steps.ts';

const command: Command = {
  usage: `node in-browser.mjs --model FILE_OR_URL [--extension dist] [--runs 5] [--decode-tokens 128]
  A model in the extension, from a page of its own with streaming on, and the plain steps that its load is made of. The browser
  is CHROME_PATH or the one that is installed, with a profile that is deleted at the end.`,

  async run(args, { signal }) {
    const { values } = parseArgs({
      args,
      options: {
        model: { type: 'string' },
        extension: { type: 'string', default: 'dist' },
        runs: { type: 'string', default: '5' },
        'decode-tokens': { type: 'string', default: '128' },
      },
    });
    const model = required('model', values.model);
    const runs = numberFlag('runs', values.runs, { from: 1, to: 1000, whole: true })!;
    const maxTokens = numberFlag('decode-tokens', values['decode-tokens'], { from: 1, to: 131_072, whole: true })!;
    const file = await modelFile(model, signal);
    if (!existsSync(join(values.extension, 'manifest.json'))) {
      throw new LapisError('bad-request', `There is no built extension in ${values.extension}.`);
    }
    const executable = findBrowser();
    if (!executable) throw new LapisError('unsupported', 'No browser is installed, and CHROME_PATH names none.');

    const folder = await mkdtemp(join(await cacheDir('headless'), 'bench-'));
    try {
      const extensionDir = join(folder, 'extension');
      await cp(values.extension, extensionDir, { recursive: true });
      await copyFile(fileURLToPath(new URL(STEPS_WORKER, import.meta.url)), join(extensionDir, STEPS_WORKER));
      const place = { executable, extensionDir, profileDir: join(folder, 'profile'), headless: true };
      const { browser, page } = await openLapis(place, 'src/ui/headless/index.html');
      const interrupted = () => void browser.close();
      signal.addEventListener('abort', interrupted);
      try {
        signal.throwIfAborted();
        report(await measure(page, file, { runs, maxTokens }));
      } finally {
        signal.removeEventListener('abort', interrupted);
        await browser.close();
      }
    } finally {
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    }
  },
};

const STEPS: readonly PlainStep[] = ['hash', 'write', 'read', 'digest', 'upload'];
/** What a load is made of. */
const LOADING: readonly PlainStep[] = ['read', 'digest', 'upload'];
/** What an import is made of. */
const STORING: readonly PlainStep[] = ['hash', 'write'];
const STEPS_WORKER = 'plain-steps.js';

/** Bytes a second. */
type Speeds = Record<PlainStep, number>;

/** How fast one plain step goes, alone, in a worker that lives for it only; bytes a second. */
async function plain(page: ExtensionPage, step: PlainStep, bytes: number): Promise<number> {
  const answer = await page.evaluate<{ speed?: number; failed?: string }>(`new Promise((resolve) => {
    const worker = new Worker('/${STEPS_WORKER}', { type: 'module' });
    worker.onmessage = ({ data }) => { worker.terminate(); resolve(data); };
    worker.onerror = ({ message }) => resolve({ failed: message });
    worker.postMessage(${JSON.stringify({ step, bytes: step === 'hash' ? bytes / 8 : bytes })});
  })`);
  if (answer.speed === undefined) throw new Error(`The plain step ${step} failed: ${answer.failed}`);
  return answer.speed;
}

async function plainSteps(page: ExtensionPage, bytes: number): Promise<Speeds> {
  const speeds: Partial<Speeds> = {};
  for (const step of STEPS) speeds[step] = await plain(page, step, bytes);
  return speeds as Speeds;
}

interface Answer {
  timings: Timings;
  tokens: number;
}

/** One answer to a prompt of about 64 tokens, through service worker, offscreen document and engine worker. */
async function answer(
  page: ExtensionPage,
  seed: number,
  maxTokens: number,
  sampling: SamplingOptions,
): Promise<Answer> {
  const request: GenerateRequest = {
    prompt: { kind: 'completion', text: `${seed} ${'The color of the sky is '.repeat(10)}` },
    maxTokens,
    sampling: { ...sampling, seed },
  };
  const events = await page.evaluate<GenerateEvent[]>(`lapis.generate(${JSON.stringify(request)})`);
  const end = events.at(-1);
  if (end?.type !== 'end') throw new Error(`The answer ended with ${JSON.stringify(end)}.`);
  return { timings: end.timings, tokens: end.tokens.length };
}

interface Measured {
  status: HostStatus;
  bytes: number;
  importMs: number;
  /** Of each plain step, before and after the answers. */
  before: Speeds;
  after: Speeds;
  /** One of each a load. */
  loadMs: number[];
  firstTokenMs: number[];
  /** The second answer after each load. */
  warm: Answer[];
}

async function measure(
  page: ExtensionPage,
  file: string,
  { runs, maxTokens }: { runs: number; maxTokens: number },
): Promise<Measured> {
  const { size: bytes } = await stat(file);
  await page.chooseFile('#model', file);
  const importedAt = performance.now();
  const { id } = await page.evaluate<{ id: string }>('lapis.importFile()');
  const importMs = performance.now() - importedAt;
  await page.evaluate(`lapis.host.selectModel(${JSON.stringify(id)})`);
  const before = await plainSteps(page, bytes);
  const loadMs: number[] = [];
  const firstTokenMs: number[] = [];
  const warm: Answer[] = [];
  // What the load has not compiled, the first answer waits for: it samples as a person's does, who has set nothing.
  const { sampling } = defaultChatSettings(id);
  for (let run = 0; run < runs; run++) {
    const { timings } = await answer(page, run, maxTokens, sampling);
    loadMs.push(timings.loadMs);
    firstTokenMs.push(timings.firstTokenMs);
    warm.push(await answer(page, run + runs, maxTokens, { temperature: 0 }));
    await page.evaluate('lapis.host.unloadModel()');
  }
  const after = await plainSteps(page, bytes);
  const status = await page.evaluate<HostStatus>('lapis.settle()');
  return { status, bytes, importMs, before, after, loadMs, firstTokenMs, warm };
}

function report({ status, bytes, importMs, before, after, loadMs, firstTokenMs, warm }: Measured): void {
  const say = (name: string, value: string) => process.stdout.write(`${name.padEnd(34)} ${value}\n`);
  const megabytes = (bytesPerSecond: number) => `${Math.round(bytesPerSecond / 1e6)} MB/s`;
  const list = (numbers: number[], digits: number) => numbers.map((number) => number.toFixed(digits)).join(', ');
  const share = (whole: number, steps: readonly PlainStep[]) => {
    const slowest = Math.min(...steps.map((step) => (before[step] + after[step]) / 2));
    return `${(whole / slowest).toFixed(2)} of the slowest step`;
  };
  say('adapter', described(status.adapter));
  say('features', status.features?.join(', ') ?? 'unknown');
  say('bytes', `${bytes}`);
  for (const step of STEPS) {
    say(`${step} alone, before and after`, `${megabytes(before[step])}, ${megabytes(after[step])}`);
  }
  const imported = (bytes / importMs) * 1000;
  say('import', `${megabytes(imported)}, ${share(imported, STORING)}`);
  const load = (bytes / median(loadMs)) * 1000;
  say('load', `${megabytes(load)} (${list(loadMs, 0)} ms), ${share(load, LOADING)}`);
  say(
    'first token after a load',
    `${median(firstTokenMs).toFixed(1)} ms (${list(firstTokenMs, 1)}), sampled as the chat does`,
  );
  say('first token of a second answer', `${median(warm.map(({ timings }) => timings.firstTokenMs)).toFixed(1)} ms`);
  const rates = warm.map(({ timings }) => timings.decodeTokensPerSecond);
  say('decode', `${median(rates).toFixed(1)} tok/s over ${warm[0].tokens} tokens (${list(rates, 0)})`);
}

function described(adapter: HostStatus['adapter']): string {
  return adapter ? [adapter.description, adapter.vendor, adapter.architecture].filter(Boolean).join(', ') : 'unknown';
}

await runProgram('in-browser', command);
