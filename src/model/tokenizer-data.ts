/** A SentencePiece vocabulary as data (from a GGUF's metadata or a Hugging Face folder). */
export interface TokenizerData {
  type: 'sentencepiece-bpe';
  /** Piece of each id, spaces written as U+2581, bytes as `<0xNN>`. */
  tokens: string[];
  /** BPE scores: of two possible merges the higher score goes first. */
  scores: number[];
  /** SentencePiece types: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. */
  types: number[];
  bos: number;
  eos: number;
  pad: number;
  unknown: number;
  /** Ids that end an answer: eos and `<end_of_turn>`. */
  stop: number[];
}
