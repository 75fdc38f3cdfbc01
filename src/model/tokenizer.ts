import { LapisError } from '../protocol/errors.ts';
import { type BpeVocabulary, bpe } from './bpe.ts';
import { PieceTrie } from './piece-trie.ts';
import type { TokenizerData } from './tokenizer-data.ts';
import { byteOfPiece, PIECE_TYPE } from './vocabulary.ts';

/** Turns text into ids and back. */
export interface Tokenizer {
  readonly data: TokenizerData;
  /** Ids of a text, no bos. Control strings are plain text unless `special`. */
  encode(text: string, options?: { special?: boolean }): number[];
  /** UTF-8 text of ids; control tokens as written when `special` (default true). Throws `bad-request` for an id that is none. */
  decode(ids: ArrayLike<number>, options?: { special?: boolean }): string;
  /** Raw bytes of one id: a streaming decoder joins them into whole characters. Control tokens have none. */
  bytes(id: number): Uint8Array;
}

/** SentencePiece's sign for a space. */
const SPACE = '\u2581';
const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;
const NO_BYTES = new Uint8Array(0);

/**
 * SentencePiece BPE with byte fallback and no dummy prefix, as Gemma uses it: user-defined pieces (runs of newlines and spaces,
 * HTML tags) are cut out of the text first, leftmost and longest, and the rest is merged by score. Throws `corrupt` for
 * a byte piece that names no byte.
 */
export function createTokenizer(data: TokenizerData): Tokenizer {
  return new SentencePieceTokenizer(data);
}

class SentencePieceTokenizer implements Tokenizer {
  readonly data: TokenizerData;
  readonly #vocabulary: BpeVocabulary;
  readonly #userDefined = new PieceTrie();
  /** User-defined, control and unknown pieces; made when first asked for. */
  #special: PieceTrie | undefined;
  /** Ids of the 256 byte pieces, -1 where the vocabulary has none. */
  readonly #byteIds = new Int32Array(256).fill(-1);
  readonly #byteOf = new Map<number, number>();
  readonly #encoder = new TextEncoder();

  constructor(data: TokenizerData) {
    const { tokens, scores, types } = data;
    this.data = data;
    const ids = new Map<string, number>();
    let longest = 0;
    for (let id = 0; id < tokens.length; id++) {
      const piece = tokens[id];
      switch (types[id]) {
        case PIECE_TYPE.normal:
          ids.set(piece, id);
          if (piece.length > longest) longest = piece.length;
          break;
        case PIECE_TYPE.userDefined:
          this.#userDefined.add(piece, id);
          break;
        case PIECE_TYPE.byte: {
          const byte = byteOfPiece(piece, id);
          this.#byteIds[byte] = id;
          this.#byteOf.set(id, byte);
          break;
        }
      }
    }
    this.#vocabulary = { ids, scores, longest };
  }

  encode(text: string, options: { special?: boolean } = {}): number[] {
    const wholePieces = options.special ? this.#specialPieces() : this.#userDefined;
    // UTF-8 has no lone surrogates; a TextEncoder would replace them alike.
    const normalized = text.replace(LONE_SURROGATE, '\uFFFD').replaceAll(' ', SPACE);
    const ids: number[] = [];
    let mergedTo = 0;
    for (let at = 0; at < normalized.length; ) {
      const match = wholePieces.longestAt(normalized, at);
      if (match === undefined) {
        at++;
        continue;
      }
      this.#merge(normalized.slice(mergedTo, at), ids);
      ids.push(match.id);
      at += match.length;
      mergedTo = at;
    }
    this.#merge(mergedTo === 0 ? normalized : normalized.slice(mergedTo), ids);
    return ids;
  }

  decode(ids: ArrayLike<number>, options: { special?: boolean } = {}): string {
    const special = options.special ?? true;
    const parts: Uint8Array[] = [];
    let length = 0;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i];
      const written = special && this.#isControl(id) ? this.#encoder.encode(this.data.tokens[id]) : this.bytes(id);
      parts.push(written);
      length += written.length;
    }
    const all = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(all);
  }

  bytes(id: number): Uint8Array {
    const piece = this.data.tokens[id];
    if (piece === undefined) {
      throw new LapisError(
        'bad-request',
        `Token id ${id} is not in the vocabulary of ${this.data.tokens.length} tokens.`,
      );
    }
    const byte = this.#byteOf.get(id);
    if (byte !== undefined) return Uint8Array.of(byte);
    if (this.#isControl(id)) return NO_BYTES;
    return this.#encoder.encode(piece.replaceAll(SPACE, ' '));
  }

  #isControl(id: number): boolean {
    const type = this.data.types[id];
    return type === PIECE_TYPE.control || type === PIECE_TYPE.unknown;
  }

  #merge(text: string, ids: number[]): void {
    bpe(text, this.#vocabulary, (id, start, end) => {
      if (id >= 0) ids.push(id);
      else this.#fallBack(text.slice(start, end), ids);
    });
  }

  /** A character that is no piece becomes its UTF-8 bytes, or `<unk>` in a vocabulary without byte pieces. */
  #fallBack(character: string, ids: number[]): void {
    const bytes = this.#encoder.encode(character === SPACE ? ' ' : character);
    if (bytes.every((byte) => this.#byteIds[byte] >= 0)) {
      for (const byte of bytes) ids.push(this.#byteIds[byte]);
    } else {
      ids.push(this.data.unknown);
    }
  }

  #specialPieces(): PieceTrie {
    if (this.#special === undefined) {
      this.#special = new PieceTrie();
      for (let id = 0; id < this.data.tokens.length; id++) {
        if (this.#isControl(id) || this.data.types[id] === PIECE_TYPE.userDefined) {
          this.#special.add(this.data.tokens[id], id);
        }
      }
    }
    return this.#special;
  }
}
