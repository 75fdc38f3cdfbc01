/** A model that Lapis knows where to get. */
export interface CatalogueModel {
  id: string;
  name: string;
  bytes: number;
  license: { name: string; url: string };
  note?: string;
  origin: PackageOrigin | UrlOrigin;
  /** What shows that it answers as it should on this machine. */
  probe?: Probe;
}

/** A text, and the token that a sound model finds most likely after it. */
export interface Probe {
  prompt: string;
  answer: string;
}

/** A shard folder that ships with the extension. */
export interface PackageOrigin {
  kind: 'package';
  /** From the extension's root. */
  path: string;
}

/** One file at an address. */
export interface UrlOrigin {
  kind: 'url';
  url: string;
  /** Pins the content; without it, what comes is taken, and its hash stands in the record. */
  sha256?: string;
  /** As the server said it when the file was found; for a file without a pin it tells that another has taken its place. */
  lastModified?: string;
}

/** All files below are under these terms; the link is shown before the download. */
export const GEMMA_TERMS = { name: 'Gemma Terms of Use', url: 'https://ai.google.dev/gemma/terms' };

export const DEMO_MODEL_ID = 'demo';

const SKY: Probe = { prompt: 'The color of the sky is', answer: ' blue' };

function hub(repository: string, revision: string, file: string, sha256: string): UrlOrigin {
  return { kind: 'url', url: `https://huggingface.co/${repository}/resolve/${revision}/${file}`, sha256 };
}

/** The packaged demo model and the pinned public files, whose repositories ask for no account. */
export const CATALOGUE: readonly CatalogueModel[] = [
  {
    id: DEMO_MODEL_ID,
    name: 'Lapis demo',
    bytes: 0,
    license: { name: 'Apache 2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    note: 'A toy to try Lapis offline and to check the GPU: it knows some simple facts and is not Gemma.',
    origin: { kind: 'package', path: 'models/demo' },
  },
  {
    id: 'gemma-3-1b-it-q4_k_m',
    name: 'Gemma 3 1B',
    bytes: 806_058_240,
    license: GEMMA_TERMS,
    probe: SKY,
    note: 'The default: a good balance of speed and quality on most machines.',
    origin: hub(
      'ggml-org/gemma-3-1b-it-GGUF',
      'f9c28bcd85737ffc5aef028638d3341d49869c27',
      'gemma-3-1b-it-Q4_K_M.gguf',
      '8ccc5cd1f1b3602548715ae25a66ed73fd5dc68a210412eea643eb20eb75a135',
    ),
  },
  {
    id: 'gemma-3-270m-it-q8_0',
    name: 'Gemma 3 270M',
    bytes: 291_545_600,
    license: GEMMA_TERMS,
    probe: SKY,
    note: 'Small and quick, for simple tasks.',
    origin: hub(
      'ggml-org/gemma-3-270m-it-GGUF',
      'e7647be17ae1108f2f605ed061ca0608b171afff',
      'gemma-3-270m-it-Q8_0.gguf',
      '0ef57d2c838458a1952664260dcba38e5bdda37494f3af732f06e4add24068e3',
    ),
  },
  {
    id: 'gemma-3-270m-it-qat-q4_0',
    name: 'Gemma 3 270M QAT',
    bytes: 241_410_624,
    license: GEMMA_TERMS,
    probe: SKY,
    note: 'The smallest: trained for 4-bit weights.',
    origin: hub(
      'ggml-org/gemma-3-270m-it-qat-GGUF',
      '7dba9faa7cdb58c7dc44b238c7dbb00e391fbf65',
      'gemma-3-270m-it-qat-Q4_0.gguf',
      '3626e245220ca4a1c5911eb4010b3ecb7bdbf5bc53c79403c21355354d1e2dc6',
    ),
  },
  {
    id: 'gemma-3-4b-it-q4_k_m',
    name: 'Gemma 3 4B',
    bytes: 2_489_757_856,
    license: GEMMA_TERMS,
    probe: SKY,
    note: 'The best answers; needs a graphics card with 4 GB.',
    origin: hub(
      'ggml-org/gemma-3-4b-it-GGUF',
      'd0976223747697cb51e056d85c532013931fe52e',
      'gemma-3-4b-it-Q4_K_M.gguf',
      '882e8d2db44dc554fb0ea5077cb7e4bc49e7342a1f0da57901c0802ea21a0863',
    ),
  },
];
