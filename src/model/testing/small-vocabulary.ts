import type { TokenizerData } from '../tokenizer-data.ts';
import { PIECE_TYPE } from '../vocabulary.ts';

/** A vocabulary of the given normal pieces, best first, behind Gemma's controls and all bytes (ids 8 to 263). */
export function smallVocabulary(pieces: string[], { byteFallback = true } = {}): TokenizerData {
  const { normal, control, unknown, userDefined, byte } = PIECE_TYPE;
  const entries: [string, number, number][] = [
    ['<pad>', control, 0],
    ['<eos>', control, 0],
    ['<bos>', control, 0],
    ['<unk>', unknown, 0],
    ['<start_of_turn>', control, 0],
    ['<end_of_turn>', control, 0],
    ['\n', userDefined, -1000],
    ['\n\n', userDefined, -1000],
    ...(byteFallback
      ? Array.from({ length: 256 }, (_, value): [string, number, number] => [
          `<0x${value.toString(16).toUpperCase().padStart(2, '0')}>`,
          byte,
          0,
        ])
      : []),
    ...pieces.map((piece, rank): [string, number, number] => [piece, normal, -rank]),
  ];
  return {
    type: 'sentencepiece-bpe',
    tokens: entries.map(([piece]) => piece),
    types: entries.map(([, type]) => type),
    scores: entries.map(([, , score]) => score),
    bos: 2,
    eos: 1,
    pad: 0,
    unknown: 3,
    stop: [1, 5],
  };
}
