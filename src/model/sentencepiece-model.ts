import { LapisError } from '../protocol/errors.ts';
import { CONFIG_LIMITS } from './limits.ts';
import { PIECE_TYPE } from './vocabulary.ts';

/** A piece of a SentencePiece model. */
export interface Piece {
  text: string;
  score: number;
  /** See PIECE_TYPE. */
  type: number;
}

const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 };

/** The fields of one protobuf message, in order: [number, wire type, where its value begins, where it ends]. */
function* fields(bytes: Uint8Array, from: number, to: number): Generator<[number, number, number, number]> {
  let at = from;
  const fail = (): never => {
    throw new LapisError('corrupt', 'tokenizer.model is damaged: it is not a SentencePiece model.');
  };
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= to) fail();
      const byte = bytes[at++];
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return fail();
  };
  while (at < to) {
    const tag = varint();
    const wire = tag % 8;
    let begin = at;
    let length = 0;
    if (wire === WIRE.varint) varint();
    else if (wire === WIRE.bytes) {
      length = varint();
      begin = at;
    } else if (wire === WIRE.fixed64) length = 8;
    else if (wire === WIRE.fixed32) length = 4;
    else fail();
    if (length > to - at) fail();
    at += length;
    yield [Math.floor(tag / 8), wire, begin, at];
  }
}

function piece(bytes: Uint8Array, view: DataView, text: TextDecoder, from: number, to: number): Piece {
  const result: Piece = { text: '', score: 0, type: PIECE_TYPE.normal };
  for (const [number, wire, begin, end] of fields(bytes, from, to)) {
    if (number === 1 && wire === WIRE.bytes) result.text = text.decode(bytes.subarray(begin, end));
    else if (number === 2 && wire === WIRE.fixed32) result.score = view.getFloat32(begin, true);
    else if (number === 3 && wire === WIRE.varint) result.type = bytes[begin];
  }
  return result;
}

/**
 * The pieces of a `tokenizer.model`: a protobuf whose field 1 repeats {1: piece, 2: score, 3: type} (sentencepiece_model.proto,
 * ModelProto.SentencePiece) and whose field 2, how it was trained, always follows them: without it pieces are missing. Errors:
 * `corrupt`.
 */
export function readSentencePieceModel(bytes: Uint8Array): Piece[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = new TextDecoder('utf-8', { ignoreBOM: true });
  const pieces: Piece[] = [];
  let complete = false;
  for (const [number, wire, begin, end] of fields(bytes, 0, bytes.length)) {
    if (number === 2) complete = true;
    if (number !== 1 || wire !== WIRE.bytes) continue;
    if (pieces.length === CONFIG_LIMITS.vocabularySize) {
      throw new LapisError('corrupt', `tokenizer.model has more than ${CONFIG_LIMITS.vocabularySize} pieces.`);
    }
    pieces.push(piece(bytes, view, text, begin, end));
  }
  if (pieces.length === 0) throw new LapisError('corrupt', 'tokenizer.model is damaged: it has no pieces.');
  if (!complete) throw new LapisError('corrupt', 'tokenizer.model is damaged: it ends before its last piece.');
  return pieces;
}
