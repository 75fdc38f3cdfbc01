import type { ChatMessage } from '../../src/protocol/generation.ts';
import type { DownloadState, FoundModel, HostStatus, ModelEntry } from '../../src/protocol/host.ts';
import type { Running } from '../../src/ui/host/activity-words.ts';
import { DEMO_MODEL, GEMMA_MODEL } from '../../src/ui/testing/models.ts';
import type { Scene } from '../../src/ui/testing/open-page.ts';

/* The states in which the tests of the pages look at them. */

export const GEMMA = GEMMA_MODEL.id;
export const GEMMA_TERMS = GEMMA_MODEL.license.url;

export const you = (content: string): ChatMessage => ({ role: 'user', content });
export const lapis = (content: string): ChatMessage => ({ role: 'assistant', content });

const TIMINGS = { loadMs: 900, prefillMs: 120, firstTokenMs: 412, decodeTokensPerSecond: 48.3 };
const RICH = `# Tea\n\n1. Warm the *pot*.\n   - [x] done\n2. See [here](https://example.com).\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n\`\`\`python\nprint("${'tea '.repeat(30)}")\n\`\`\`\n\n> quiet \`code\``;
export const LONG_CHAT = Array.from({ length: 12 }, (_, turn) => [
  you(`Question ${turn}`),
  lapis(`Answer ${turn}.\n\n${RICH}`),
]).flat();

export const STORED_GEMMA: ModelEntry = {
  ...GEMMA_MODEL,
  stored: true,
  details: {
    parameters: 999_885_952,
    types: [
      { type: 'Q4_K', bytes: 402_000_000 },
      { type: 'Q8_0', bytes: 320_800_000 },
      { type: 'Q6_K', bytes: 81_900_000 },
      { type: 'F32', bytes: 621_000 },
    ],
    diskBytes: 811_300_000,
    gpuBytes: 1_094_000_000,
    lastUsedAt: Date.now() - 3 * 86_400_000,
    schemaVersion: 1,
    source:
      'https://huggingface.co/ggml-org/gemma-3-1b-it-GGUF/resolve/f9c28bcd85737ffc5aef028638d3341d49869c27/gemma-3-1b-it-Q4_K_M.gguf',
    sha256: '8ccc5cd1f1b3602548715ae25a66ed73fd5dc68a210412eea643eb20eb75a135',
  },
};
export const SMALL_GEMMA: ModelEntry = {
  ...GEMMA_MODEL,
  id: 'gemma-3-270m-it-q8_0',
  name: 'Gemma 3 270M',
  bytes: 291_545_600,
  note: 'Small and quick, for simple tasks.',
};
const OWN_FILE: ModelEntry = {
  ...DEMO_MODEL,
  id: 'file:my-tuned-gemma.gguf',
  name: 'my-tuned-gemma',
  bytes: 720_400_000,
  note: undefined,
  license: GEMMA_MODEL.license,
  details: { ...STORED_GEMMA.details!, sha256: undefined, lastUsedAt: undefined, source: 'my-tuned-gemma.gguf' },
};
const SUSPECT =
  'After “The color of the sky is” Gemma 3 1B does not go on with “blue” on this machine, so its answers are not to be trusted.';
export const SUSPECT_GEMMA: ModelEntry = { ...STORED_GEMMA, suspect: SUSPECT };

/** A download of the 1B in some state. */
export function downloadOf(change: Partial<DownloadState>): DownloadState {
  const { id: modelId, name, bytes: bytesTotal } = GEMMA_MODEL;
  return { modelId, name, phase: 'downloading', host: 'huggingface.co', bytesDone: 302_000_000, bytesTotal, ...change };
}
const SPEED = { bytesPerSecond: 10_040_000, secondsLeft: 50 };
const LOST = {
  code: 'network',
  message: 'The connection to huggingface.co failed: check that this machine is online',
} as const;

export const DOWNLOADS: Record<string, DownloadState> = {
  queued: downloadOf({ phase: 'queued', bytesDone: 0 }),
  downloading: downloadOf(SPEED),
  'starting again': downloadOf({
    ...SPEED,
    bytesDone: 12_000_000,
    notice: 'The file on huggingface.co has changed, so the download begins again.',
  }),
  retrying: downloadOf({ phase: 'retrying', retryAt: Date.now() + 86_400_000, error: LOST }),
  paused: downloadOf({ phase: 'paused' }),
  'another size': downloadOf({
    phase: 'paused',
    bytesDone: 0,
    bytesTotal: 812_000_000,
    anotherSize: true,
    notice:
      'huggingface.co now has a file of 812000000 bytes instead of 806058240, so nothing that was fetched before is kept. What is there is a download of 812 MB: it begins when you ask for it.',
  }),
  preparing: downloadOf({ phase: 'preparing', bytesDone: GEMMA_MODEL.bytes }),
  failed: downloadOf({ phase: 'failed', error: LOST }),
  'disk full': downloadOf({
    phase: 'failed',
    error: { code: 'quota', message: 'The model needs 504 MB more, but the browser has only 120 MB left' },
  }),
};

export const FOUND: FoundModel = {
  modelId: 'hub:someone/gemma-3-1b-pirate-GGUF/gemma-3-1b-pirate-Q5_K_M.gguf',
  name: 'gemma-3-1b-pirate-Q5_K_M',
  bytes: 851_400_000,
  url: 'https://huggingface.co/someone/gemma-3-1b-pirate-GGUF/resolve/0a1b2c3d4e5f60718293a4b5c6d7e8f901234567/gemma-3-1b-pirate-Q5_K_M.gguf',
  license: GEMMA_MODEL.license,
  pinned: true,
};

const noticesOf = (...texts: string[]) => texts.map((text, index) => ({ at: index + 1, text }));
const NOTICES = noticesOf(
  'Gemma 3 1B was stored by an older Lapis and could not be kept: its weights were quantized by rules that have changed since. 811 MB were freed; to have it again is a download of 806 MB.',
  'A damaged part of my-tuned-gemma (shard-00004.bin) was found and repaired from huggingface.co.',
);

/** What a hostile file may say. */
export const HOSTILE = {
  markup: '<img src=x onerror="globalThis.hacked=1"><script>globalThis.hacked=1</script>',
  turned: 'safe-\u202egpj.fugg\u202c\u0007\u001b[31m\r\n',
  long: 'gemma'.repeat(400),
};
const hostile = (id: string, name: string): ModelEntry => ({
  ...OWN_FILE,
  id: `file:${id}`,
  name,
  note: `${name} ${HOSTILE.markup}`,
  license: { name: HOSTILE.markup, url: 'javascript:globalThis.hacked=1' },
  suspect: `${HOSTILE.turned}${HOSTILE.markup}`,
  details: {
    ...OWN_FILE.details!,
    types: [{ type: HOSTILE.markup, bytes: 1 }],
    source: `../../${HOSTILE.turned}${HOSTILE.long}`,
  },
});
const HOSTILE_ID = `file:${HOSTILE.markup}`;
const HOSTILE_STATUS: Partial<HostStatus> = {
  selectedModelId: HOSTILE_ID,
  loadedModelId: HOSTILE_ID,
  suspect: `${HOSTILE.turned}${HOSTILE.markup}`,
  notices: noticesOf(HOSTILE.markup, HOSTILE.turned, HOSTILE.long),
  downloads: [
    downloadOf({ modelId: 'turned', name: HOSTILE.turned, host: HOSTILE.long, notice: HOSTILE.markup }),
    downloadOf({
      modelId: 'markup',
      name: HOSTILE.markup,
      phase: 'failed',
      error: { code: 'network', message: HOSTILE.turned + HOSTILE.long },
    }),
  ],
};
export const HOSTILE_SCENE: Scene = {
  models: [
    hostile(HOSTILE.markup, HOSTILE.markup),
    hostile('turned', HOSTILE.turned),
    hostile('long', HOSTILE.long),
    hostile('blank', '\u202e\u200b'),
  ],
  status: HOSTILE_STATUS,
  callers: [
    {
      id: 'abcdefghijklmnopabcdefghijklmnop',
      name: HOSTILE.turned + HOSTILE.long + HOSTILE.markup,
      allowed: true,
      firstAsked: 1e12,
      requests: 3,
    },
  ],
};

const activity = (kind: Running['kind'], modelId: string, change: Partial<Running> = {}): Scene => ({
  models: [DEMO_MODEL, STORED_GEMMA],
  status: {
    selectedModelId: GEMMA,
    loadedModelId: GEMMA,
    activity: { kind, modelId, bytesDone: 4e8, bytesTotal: 8e8, ...change },
  },
});

const EVERY_DOWNLOAD: Partial<HostStatus> = {
  downloads: Object.entries(DOWNLOADS).map(([name, download], index) => ({
    ...download,
    modelId: index === 0 ? GEMMA : name,
    name: index === 0 ? download.name : `Gemma 3, ${name}`,
  })),
};

const STOPPED = { code: 'aborted', message: 'The answer was stopped before its first word.' } as const;
const TOO_LONG = {
  code: 'context-overflow',
  message: 'The prompt has 6018 tokens, but the context holds 4096 with the answer.',
} as const;

export const POPUP_SCENES: Record<string, Scene> = {
  empty: {},
  thinking: { chat: { messages: [you('Hello')], generating: true } },
  streaming: { chat: { messages: [you('Hello'), lapis('Hello, how **are**')], generating: true } },
  answer: { chat: { messages: [you('Tea?'), lapis(RICH)], generating: false, timings: TIMINGS } },
  'long conversation': { chat: { messages: LONG_CHAT, generating: false, timings: TIMINGS } },
  'every download': { status: EVERY_DOWNLOAD },
  failed: { status: { downloads: [DOWNLOADS.failed] } },
  loading: activity('loading', GEMMA),
  preparing: activity('loading', GEMMA, { bytesDone: 8e8 }),
  storing: activity('storing', DEMO_MODEL.id),
  cancelling: activity('loading', GEMMA, { cancelling: true }),
  notices: { status: { notices: NOTICES } },
  suspect: {
    models: [DEMO_MODEL, SUSPECT_GEMMA],
    status: { selectedModelId: GEMMA, loadedModelId: GEMMA, suspect: SUSPECT },
    chat: { messages: [you('Tea?'), lapis('Tea tea tea')], generating: false, timings: TIMINGS },
  },
  hostile: HOSTILE_SCENE,
  'no GPU': { status: { adapter: undefined, error: { code: 'no-gpu', message: 'There is no WebGPU adapter.' } } },
  'software adapter': { status: { softwareAdapter: true } },
  'stopped question': { chat: { messages: [you('Hello')], generating: false, error: STOPPED } },
  'too long': { chat: { messages: [you('x'.repeat(6_000))], generating: false, error: TOO_LONG } },
  'left out': {
    chat: { messages: [you('x'.repeat(300)), you('Tea?'), lapis('Tea.')], generating: false, timings: TIMINGS },
  },
  'failed answer': {
    chat: { messages: [you('Hello')], generating: false, error: { code: 'device-lost', message: 'The GPU was lost.' } },
  },
};

export const OPTIONS_SCENES: Record<string, Scene> = {
  plain: {},
  'every download': { status: EVERY_DOWNLOAD },
  'several models': {
    models: [DEMO_MODEL, STORED_GEMMA, SMALL_GEMMA, OWN_FILE],
    status: { selectedModelId: GEMMA, loadedModelId: GEMMA, storage: { usedBytes: 1_541_500_000, freeBytes: 52.4e9 } },
  },
  'suspect model': {
    models: [DEMO_MODEL, SUSPECT_GEMMA],
    status: { selectedModelId: GEMMA, loadedModelId: GEMMA, suspect: SUSPECT },
  },
  verifying: activity('verifying', GEMMA),
  importing: {
    status: { activity: { kind: 'importing', modelId: 'file:gemma-3-1b-it', bytesDone: 4e8, bytesTotal: 8e8 } },
  },
  'found download': {
    status: {
      downloads: [{ ...DOWNLOADS.downloading, modelId: FOUND.modelId, name: FOUND.name, bytesTotal: FOUND.bytes }],
    },
  },
  hostile: HOSTILE_SCENE,
  busy: {
    status: { downloads: [DOWNLOADS.downloading], notices: NOTICES, softwareAdapter: true },
    callers: [
      {
        id: 'abcdefghijklmnopabcdefghijklmnop',
        name: 'Mail',
        allowed: true,
        firstAsked: 1e12,
        lastUsed: 2e12,
        requests: 3,
      },
      { id: 'ponmlkjihgfedcbaponmlkjihgfedcba', allowed: false, firstAsked: 1e12, requests: 0 },
    ],
  },
  'failed load': { status: { error: { code: 'corrupt', message: 'The file ends in the middle of a tensor' } } },
};
