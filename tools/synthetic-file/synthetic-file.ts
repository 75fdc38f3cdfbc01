import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { Gemma3Config } from '../../src/model/config.ts';
import type { ModelSource } from '../../src/model/source.ts';
import { smallVocabulary } from '../../src/model/testing/small-vocabulary.ts';
import type { TokenizerData } from '../../src/model/tokenizer-data.ts';
import { gemma3Vocabulary } from '../../tests/tokenizer/gemma3-vocabulary.ts';
import { randomModel, syntheticModel } from '../bench/synthetic.ts';
import { gemma3Metadata, ggufHeader } from '../gguf-writer.ts';

/*
 * GGUF files in real shapes, sizes and types with random weights, always the same bytes: for downloads, storage and speed without the
 * real file.
 */

/** A file that is made as it is read. */
export interface SyntheticFile {
  /** The size of the whole. */
  bytes: number;
  /** Every byte from the start, in pieces of at most 17 MiB. */
  pieces(): AsyncGenerator<Uint8Array>;
}

/** Six layers in the shapes of the 1B but narrower, so that every tensor has the type that it has there. */
const SMALL: Gemma3Config = {
  hiddenSize: 288,
  feedForwardSize: 768,
  layerCount: 6,
  headCount: 4,
  kvHeadCount: 1,
  headDim: 256,
  vocabularySize: 512,
  contextLength: 2048,
  rmsNormEpsilon: 1e-6,
  queryScale: 256 ** -0.5,
  slidingWindow: 512,
  slidingWindowPattern: 6,
  ropeThetaGlobal: 1_000_000,
  ropeThetaLocal: 10_000,
  ropeScaleGlobal: 1,
};

/** 5.8 MB: a model that a test downloads, loads and asks in seconds. */
export function smallFile(): SyntheticFile {
  const fixed = smallVocabulary([]).tokens.length;
  const pieces = Array.from({ length: SMALL.vocabularySize - fixed }, (_, i) => String.fromCodePoint(0x4e00 + i));
  return syntheticFile(randomModel('small', SMALL, 'q4_k_m'), smallVocabulary(pieces), 'Small');
}

/** A file of a model that `bench synthetic:NAME` knows, with the real vocabulary. Throws `bad-request` with the names there are. */
export function fullSizeFile(name = 'gemma-3-1b-q4_k_m'): SyntheticFile {
  return syntheticFile(syntheticModel(name), gemma3Vocabulary(), name);
}

function syntheticFile(model: ModelSource, tokenizer: TokenizerData, name: string): SyntheticFile {
  const ordered: ModelSource = { ...model, tensors: model.tensors.toSorted(byLayerAndName) };
  const { header, tensors, bytes } = ggufHeader(gemma3Metadata(model.config, tokenizer, name), [...ordered.tensors]);
  const offsets = new Map(tensors.map((tensor) => [tensor.name, tensor.fileOffset]));
  return {
    bytes,
    async *pieces() {
      yield header;
      let position = header.length;
      for await (const { tensor, offset, bytes: piece } of ordered.weights()) {
        const start = offsets.get(tensor.name)! + offset;
        if (start > position) yield new Uint8Array(start - position);
        yield piece;
        position = start + piece.length;
      }
      if (bytes > position) yield new Uint8Array(bytes - position);
    },
  };
}

/** The order in which llama.cpp's quantizer writes tensors (weight_name_comparer in src/llama-model-loader.h). */
function byLayerAndName(a: { name: string }, b: { name: string }): number {
  const layer = (name: string) => Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1);
  return layer(a.name) - layer(b.name) || (a.name < b.name ? -1 : 1);
}

/** Writes the file to the disk, a piece at a time; resolves to its SHA-256 in hexadecimal. */
export async function writeSyntheticFile(file: SyntheticFile, path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const piece of file.pieces()) {
      hash.update(piece);
      yield piece;
    }
  }
  await writeFile(path, hashed(), { signal });
  return hash.digest('hex');
}
