import { copyFile, cp, mkdtemp, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { defaultChatSettings } from '../../src/protocol/chat-settings.ts';
import type {
  AdapterDescription,
  GenerateEvent,
  GenerateRequest,
  SamplingOptions,
  Timings,
} from '../../src/protocol/generation.ts';
import type { HostStatus } from '../../src/protocol/host.ts';
import type { ExtensionPage } from '../browser/browser.ts';
import { findBrowser } from '../setup/browser.mjs';
import { cacheDir } from '../start/cache-dir.ts';
import { openLapis } from '../start/open-lapis.ts';
import type { PlainStep } from './plain-steps.ts';

/*
 * Measures a model in the extension, from a page of its own with streaming on, and the plain steps that its load is made of:
 *
 *   node build/in-browser.mjs --model FILE.gguf [--extension dist] [--runs 5] [--decode-tokens 128]
 *
 * The table goes to stdout. The browser is CHROME_PATH or the one that is installed, with a profile that is deleted at the end.
 */

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    extension: { type: 'string', default: 'dist' },
    runs: { type: 'string', default: '5' },
    'decode-tokens': { type: 'string', default: '128' },
  },
});
const executable = findBrowser();
if (values.model === undefined || !executable) {
  process.stderr.write(values.model === undefined ? '--model is missing.\n' : 'No browser is installed.\n');
  process.exit(2);
}
// A browser waits for ever for a file that it is given by a relative path.
const file = resolve(values.model);
const bytes = (await stat(file).catch(() => undefined))?.size ?? 0;
const [runs, maxTokens] = [Number(values.runs), Number(values['decode-tokens'])];
if (!bytes || !(runs >= 1) || !(maxTokens >= 1)) {
  process.stderr.write(bytes ? '--runs and --decode-tokens are at least 1.\n' : `There is no file ${file}.\n`);
  process.exit(2);
}

const STEPS: readonly PlainStep[] = ['hash', 'write', 'read', 'digest', 'upload'];
/** What a load is made of. */
const LOADING: readonly PlainStep[] = ['read', 'digest', 'upload'];
/** What an import is made of. */
const STORING: readonly PlainStep[] = ['hash', 'write'];
const STEPS_WORKER = 'plain-steps.js';

/** How fast one plain step goes, alone, in a worker that lives for it only; bytes a second. */
async function plain(page: ExtensionPage, step: PlainStep): Promise<number> {
  const answer = await page.evaluate<{ speed?: number; failed?: string }>(`new Promise((resolve) => {
    const worker = new Worker('/${STEPS_WORKER}', { type: 'module' });
    worker.onmessage = ({ data }) => { worker.terminate(); resolve(data); };
    worker.onerror = ({ message }) => resolve({ failed: message });
    worker.postMessage(${JSON.stringify({ step, bytes: step === 'hash' ? bytes / 8 : bytes })});
  })`);
  if (answer.speed === undefined) throw new Error(`The plain step ${step} failed: ${answer.failed}`);
  return answer.speed;
}

async function plainSteps(page: ExtensionPage): Promise<Record<string, number>> {
  const speeds: Record<string, number> = {};
  for (const step of STEPS) speeds[step] = await plain(page, step);
  return speeds;
}

interface Answer {
  timings: Timings;
  tokens: number;
}

/** One answer to a prompt of about 64 tokens, through service worker, offscreen document and engine worker. */
async function answer(page: ExtensionPage, seed: number, sampling: SamplingOptions): Promise<Answer> {
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

const median = (numbers: number[]) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
const megabytes = (bytesPerSecond: number) => `${Math.round(bytesPerSecond / 1e6)} MB/s`;
const say = (name: string, value: string) => process.stdout.write(`${name.padEnd(34)} ${value}\n`);

const folder = await mkdtemp(join(await cacheDir('headless'), 'bench-'));
try {
  const extensionDir = join(folder, 'extension');
  await cp(values.extension, extensionDir, { recursive: true });
  await copyFile(fileURLToPath(new URL(STEPS_WORKER, import.meta.url)), join(extensionDir, STEPS_WORKER));
  const place = { executable, extensionDir, profileDir: join(folder, 'profile'), headless: true };
  const { browser, page } = await openLapis(place, 'src/ui/headless/index.html');
  try {
    await page.chooseFile('#model', file);
    const importedAt = performance.now();
    const { id } = await page.evaluate<{ id: string }>('lapis.importFile()');
    const importMs = performance.now() - importedAt;
    await page.evaluate(`lapis.host.selectModel(${JSON.stringify(id)})`);
    const before = await plainSteps(page);
    const loads: number[] = [];
    const firstTokens: number[] = [];
    const warm: Answer[] = [];
    // What the load has not compiled, the first answer waits for: it samples as a person's does, who has set nothing.
    const { sampling } = defaultChatSettings(id);
    for (let run = 0; run < runs; run++) {
      const { timings } = await answer(page, run, sampling);
      loads.push(timings.loadMs);
      firstTokens.push(timings.firstTokenMs);
      warm.push(await answer(page, run + runs, { temperature: 0 }));
      await page.evaluate('lapis.host.unloadModel()');
    }
    const after = await plainSteps(page);
    const { adapter } = await page.evaluate<HostStatus>('lapis.settle()');

    say('adapter', described(adapter));
    say('bytes', `${bytes}`);
    const speed = (step: PlainStep) => (before[step]! + after[step]!) / 2;
    const share = (whole: number, steps: readonly PlainStep[]) =>
      `${(whole / Math.min(...steps.map(speed))).toFixed(2)} of the slowest step`;
    for (const step of STEPS)
      say(`${step} alone, before and after`, `${megabytes(before[step]!)}, ${megabytes(after[step]!)}`);
    const imported = (bytes / importMs) * 1000;
    say('import', `${megabytes(imported)}, ${share(imported, STORING)}`);
    const load = (bytes / median(loads)) * 1000;
    say('load', `${megabytes(load)} (${loads.map((ms) => ms.toFixed(0)).join(', ')} ms), ${share(load, LOADING)}`);
    const afterLoads = firstTokens.map((ms) => ms.toFixed(1)).join(', ');
    say('first token after a load', `${median(firstTokens).toFixed(1)} ms (${afterLoads}), sampled as the chat does`);
    say('first token of a second answer', `${median(warm.map(({ timings }) => timings.firstTokenMs)).toFixed(1)} ms`);
    const rates = warm.map(({ timings }) => timings.decodeTokensPerSecond);
    say(
      'decode',
      `${median(rates).toFixed(1)} tok/s over ${warm[0]!.tokens} tokens (${rates.map((rate) => rate.toFixed(0)).join(', ')})`,
    );
  } finally {
    await browser.close();
  }
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}
process.exit(0);

function described(adapter: AdapterDescription | undefined | null): string {
  return adapter ? [adapter.description, adapter.vendor, adapter.architecture].filter(Boolean).join(', ') : 'unknown';
}
