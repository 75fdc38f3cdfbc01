import { LapisError } from '../protocol/errors.ts';
import type { TokenizerData } from './tokenizer-data.ts';

/** SentencePiece's piece types, as GGUF and sentencepiece_model.proto number them. */
export const PIECE_TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** SentencePiece's sign for a space. */
const SPACE = '\u2581';

/**
 * A vocabulary as read from a file, made complete: as many pieces as the embedding has rows (the rest are unused ones), spaces
 * written as U+2581 in every piece (converters write plain spaces into user-defined ones), ids that end an answer collected.
 * Throws `corrupt` when the lists do not fit each other.
 */
export function completeTokenizer(
  read: Omit<TokenizerData, 'type' | 'stop'>,
  vocabularySize: number,
  extraStops: readonly number[] = [],
): TokenizerData {
  const { tokens, scores, types } = read;
  if (scores.length !== tokens.length || types.length !== tokens.length) {
    throw new LapisError(
      'corrupt',
      `The vocabulary has ${tokens.length} pieces, but ${scores.length} scores and ${types.length} types.`,
    );
  }
  if (tokens.length > vocabularySize) {
    throw new LapisError(
      'corrupt',
      `The vocabulary has ${tokens.length} pieces, but the embedding ${vocabularySize} rows.`,
    );
  }
  const pieces = tokens.map((piece, i) => (types[i] === PIECE_TYPE.userDefined ? piece.replaceAll(' ', SPACE) : piece));
  const fill = vocabularySize - tokens.length;
  const stop = new Set([read.eos, ...extraStops]);
  for (const ending of ['<eos>', '<end_of_turn>']) {
    const id = pieces.indexOf(ending);
    if (id >= 0) stop.add(id);
  }
  for (const id of [read.bos, read.pad, read.unknown, ...stop]) {
    if (!Number.isInteger(id) || id < 0 || id >= vocabularySize) {
      throw new LapisError(
        'corrupt',
        `The tokenizer names the special id ${id}, but there are ${vocabularySize} pieces.`,
      );
    }
  }
  return {
    type: 'sentencepiece-bpe',
    tokens: pieces.concat(Array.from({ length: fill }, (_, i) => `[PAD${tokens.length + i}]`)),
    scores: scores.concat(new Array(fill).fill(-10_000)),
    types: types.concat(new Array(fill).fill(PIECE_TYPE.unused)),
    bos: read.bos,
    eos: read.eos,
    pad: read.pad,
    unknown: read.unknown,
    stop: [...stop].sort((a, b) => a - b),
  };
}
