import type { ModelEntry } from '../../protocol/host.ts';

/** The model that comes with the extension. */
export const DEMO_MODEL: ModelEntry = {
  id: 'demo',
  name: 'Lapis demo',
  bytes: 9_800_000,
  stored: true,
  license: { name: 'Apache 2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
  note: 'A toy with a Gemma 3 architecture, to try Lapis offline and to check a GPU. It is not Gemma.',
  details: {
    parameters: 8_241_000,
    types: [
      { type: 'Q8_0', bytes: 8_720_000 },
      { type: 'F32', bytes: 20_000 },
    ],
    diskBytes: 9_800_000,
    gpuBytes: 41_200_000,
    lastUsedAt: Date.now() - 60_000,
    schemaVersion: 1,
    source: 'the package of the extension',
  },
};

/** One that can be downloaded. */
export const GEMMA_MODEL: ModelEntry = {
  id: 'gemma-3-1b-it-q4_k_m',
  name: 'Gemma 3 1B',
  bytes: 806_058_240,
  stored: false,
  url: 'https://huggingface.co/example/gemma-3-1b-it',
  license: { name: 'Gemma Terms of Use', url: 'https://ai.google.dev/gemma/terms' },
  note: 'The default: a good balance of speed and quality on most machines.',
};
