import { LapisError } from '../protocol/errors.ts';
import { printable } from '../protocol/printable.ts';
import { TOKENIZER_LIMITS } from './limits.ts';
import type { TokenizerData } from './tokenizer-data.ts';

/** SentencePiece's piece types, as GGUF and sentencepiece_model.proto number them. */
export const PIECE_TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** Pieces that the tokenizer looks for as they are, before it merges. */
const TAKEN_WHOLE: readonly number[] = [PIECE_TYPE.unknown, PIECE_TYPE.control, PIECE_TYPE.userDefined];

/** SentencePiece's sign for a space. */
const SPACE = '\u2581';

const BYTE_PIECE = /^<0x([0-9A-Fa-f]{2})>$/;

/** The byte that a byte piece stands for. Throws `corrupt` for one that names no byte. */
export function byteOfPiece(piece: string, id: number): number {
  const match = BYTE_PIECE.exec(piece);
  if (match === null) {
    throw new LapisError('corrupt', `Token ${id} is marked as a byte but reads ${printable(piece)}.`);
  }
  return Number.parseInt(match[1], 16);
}

const PIECE_TYPES: readonly number[] = [0, ...Object.values(PIECE_TYPE)]; // GGUF files may hold 0, "undefined"

/**
 * Ids of Gemma 3's pieces that are not normal, [first, last], the same in every size but for <pad>, <eos>, <bos> and <unk>
 * (tokenizer.model and added_tokens of the published checkpoints; tests/tokenizer/expected.jsonl).
 */
const GEMMA_PIECES: [type: number, first: number, last: number][] = [
  [PIECE_TYPE.control, 4, 4],
  [PIECE_TYPE.userDefined, 5, 5],
  [PIECE_TYPE.control, 6, 106],
  [PIECE_TYPE.userDefined, 107, 237],
  [PIECE_TYPE.byte, 238, 493],
  [PIECE_TYPE.userDefined, 255_968, 255_998],
  [PIECE_TYPE.control, 255_999, 262_143],
];
const GEMMA_TURNS: [id: number, piece: string][] = [
  [105, '<start_of_turn>'],
  [106, '<end_of_turn>'],
];

/**
 * The types of a vocabulary's pieces, mended where it is Gemma 3's with turns that pass for normal text, as in the GGUF files of
 * Google's own quantization-aware training: without control pieces there is no chat.
 */
export function gemmaPieceTypes(tokens: readonly string[], types: readonly number[]): number[] {
  const mended = [...types];
  if (!GEMMA_TURNS.every(([id, piece]) => tokens[id] === piece && types[id] === PIECE_TYPE.normal)) return mended;
  for (const [type, first, last] of GEMMA_PIECES) {
    for (let id = first; id <= last && id < mended.length; id++) {
      if (mended[id] === PIECE_TYPE.normal) mended[id] = type;
    }
  }
  return mended;
}

/** Throws `corrupt` for a vocabulary of `vocabularySize` pieces that no tokenizer can be made of, or that exceeds TOKENIZER_LIMITS. */
export function checkTokenizer(data: TokenizerData, vocabularySize: number): void {
  const corrupt = (what: string): LapisError => new LapisError('corrupt', `The vocabulary's ${what}.`);
  let wholePieces = 0;
  data.tokens.forEach((piece, id) => {
    const type = data.types[id];
    if (!PIECE_TYPES.includes(type)) throw corrupt(`token ${id} is of the type ${type}, which there is not`);
    if (!Number.isFinite(data.scores[id])) throw corrupt(`token ${id} has the score ${data.scores[id]}`);
    if (piece.length > TOKENIZER_LIMITS.pieceLength) {
      throw corrupt(`token ${id} has ${piece.length} characters; at most ${TOKENIZER_LIMITS.pieceLength} are accepted`);
    }
    if (type === PIECE_TYPE.byte) byteOfPiece(piece, id);
    if (TAKEN_WHOLE.includes(type)) wholePieces += piece.length;
  });
  if (wholePieces > TOKENIZER_LIMITS.wholePieces) {
    throw corrupt(
      `control and user-defined pieces have ${wholePieces} characters; at most ${TOKENIZER_LIMITS.wholePieces} are accepted`,
    );
  }
  for (const id of [data.bos, data.eos, data.pad, data.unknown, ...data.stop]) {
    if (!Number.isInteger(id) || id < 0 || id >= vocabularySize) {
      throw new LapisError(
        'corrupt',
        `The tokenizer names the special id ${id}, but there are ${vocabularySize} pieces.`,
      );
    }
  }
}

/**
 * A vocabulary as read from a file, made complete: as many pieces as the embedding has rows (the rest are unused ones), spaces
 * written as U+2581 in every piece (converters write plain spaces into user-defined ones), ids that end an answer collected.
 * Throws `corrupt` when the lists do not fit each other, and what checkTokenizer throws.
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
  const data: TokenizerData = {
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
  checkTokenizer(data, vocabularySize);
  return data;
}
